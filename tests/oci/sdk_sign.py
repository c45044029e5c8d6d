"""Run by the SDK's own Python: sign the requests on standard input with Oracle's signers."""

import base64
import json
import sys

from oci._vendor import requests
from oci.auth.signers import SecurityTokenSigner
from oci.signer import Signer, load_private_key

asked = json.load(sys.stdin)
signers = {
    "key": Signer(
        asked["tenancy"], asked["user"], asked["fingerprint"], None, private_key_content=asked["pem"]
    ),
    "token": SecurityTokenSigner(asked["token"], load_private_key(asked["pem"], None)),
}
answers = []
for each in asked["requests"]:
    body = base64.b64decode(each["body"]) if each["body"] is not None else None
    prepared = requests.Request(each["method"], each["url"], headers=each["headers"], data=body).prepare()
    for signer in signers.values():
        signed = signer(prepared.copy())
        answers.append({"target": prepared.path_url, **{k.lower(): v for k, v in signed.headers.items()}})
json.dump(answers, sys.stdout)
