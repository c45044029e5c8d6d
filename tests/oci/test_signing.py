"""Signatures: equal to Oracle's own signer's, accepted by a verifier of another hand, and never shown."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.deploy.oci.keys import fingerprint
from nbfn.deploy.oci.signing import Identity, Signature, sign
from tests.oci.parts import SDKS
from tests.oci.people import TENANCY, USER, Person, a_key, pem_of, token
from tests.oci.signatures import Gate, Refused

if TYPE_CHECKING:
    from tests.oci.conftest import MakeTarget
    from tests.oci.server import Cloud

KEY = a_key("person")
DATE = "Tue, 24 Nov 2026 15:00:00 GMT"
HOST = "https://functions.us-ashburn-1.oci.oraclecloud.com"
FN = f"{HOST}/20260325/functions/ocid1.fnfunc.oc1.iad.aaaa"
CASES: list[tuple[str, str, dict[str, str], bytes | None]] = [
    ("GET", f"{HOST}/20260325/applications", {}, None),
    ("GET", f"{HOST}/20260325/applications?compartmentId=ocid1.compartment&displayName=my%20app", {}, None),
    ("GET", f"{HOST}/20181201/functions?applicationId=x&page=MTA%3D&displayName=a%2Bb%2F%C3%A9", {}, None),
    ("GET", f"{HOST}/20260325/applications?b=2&a=1&a=0&empty=", {}, None),
    ("HEAD", FN, {}, None),
    ("DELETE", FN, {"if-match": "etag"}, None),
    ("POST", f"{FN}/actions/invoke", {}, b""),
    ("POST", f"{FN}/actions/invoke", {}, None),
    ("POST", f"{FN}/actions/invoke", {"fn-invoke-type": "detached"}, b'{"name":"Ana"}'),
    ("POST", f"{FN}/actions/invoke", {"content-type": "application/vnd.nbfn.call"}, bytes(range(256)) * 500),
    ("POST", "http://127.0.0.1:8080/20181201/applications", {}, "é€".encode()),
    ("PUT", FN, {"if-match": "x", "content-type": "application/json; charset=utf-8"}, b'{"memoryInMBs":256}'),
    ("PATCH", FN, {}, b"{}"),
    ("PUT", f"{FN}?x=%7E~", {}, b""),
]  # fmt: skip


@pytest.mark.needs("oci-sdk")
@pytest.mark.parametrize("version", SDKS)
def test_equal_to_the_sdks_signer(version: str) -> None:
    jwt = token(a_key("issuer"), KEY.public_key())
    asked = {
        "tenancy": TENANCY, "user": USER, "fingerprint": fingerprint(KEY),
        "pem": pem_of(KEY).decode(), "token": jwt,
        "requests": [
            {"method": method, "url": url, "headers": {"date": DATE, **headers},
             "body": None if body is None else base64.b64encode(body).decode()}
            for method, url, headers, body in CASES
        ],
    }  # fmt: skip
    done = subprocess.run(
        [SDKS[version], "-B", "tests/oci/sdk_sign.py"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    theirs = iter(json.loads(done.stdout))
    identities = [Identity(Person(KEY).key_id, KEY), Identity(f"ST${jwt}", KEY)]
    for method, url, headers, body in CASES:
        for identity in identities:
            told = next(theirs)
            host = urlsplit(url).netloc
            ours = sign(identity, method, told["target"], host, {"date": DATE, **headers}, body or b"")
            assert ours == {name: told.get(name) for name in ours}, (method, url)
            assert ours["authorization"] == told["authorization"]


@given(
    method=st.sampled_from(["GET", "HEAD", "DELETE", "POST", "PUT", "PATCH"]),
    path=st.text(max_size=30),
    params=st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=4),
    body=st.binary(max_size=300),
)
def test_whatever_httpx_sends_is_accepted(
    method: str, path: str, params: dict[str, str], body: bytes
) -> None:
    gate = Gate(a_key("issuer").public_key())
    gate.keys["k"] = KEY.public_key()
    url = httpx.URL("http://h:8080/").copy_with(path=f"/{quote(path)}", params=params)
    request = httpx.Request(method, url, content=body if method in ("POST", "PUT", "PATCH") else None)
    next(Signature(_Fixed(Identity("k", KEY))).auth_flow(request))
    headers = {name.lower(): value for name, value in request.headers.items()}
    target = request.url.raw_path.decode()
    assert gate.check(method, target, headers, request.content) == "k"
    with pytest.raises(Refused):
        gate.check(method, f"{target}x", headers, request.content)
    if method in ("POST", "PUT", "PATCH"):
        with pytest.raises(Refused):
            gate.check(method, target, headers, request.content + b"x")


class _Fixed:
    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def identity(self) -> Identity:
        return self._identity

    def refresh(self) -> bool:
        return False


def test_neither_keys_nor_tokens_are_shown(target_of: MakeTarget, cloud: Cloud) -> None:
    identity = Identity("ST$secret", KEY, "obo-secret")
    target = target_of(overrides={"pass_phrase": "hush"}, environ={"OCI_CLI_PASSPHRASE": "hush"})
    shown = repr(identity) + repr(target.settings) + repr(target.account.credentials) + repr(vars(target))
    assert "secret" not in shown
    assert "hush" not in shown


def test_a_delegation_token_is_signed_too() -> None:
    signed = sign(Identity("k", KEY, "obo"), "GET", "/", "h", {"date": DATE}, b"")
    assert signed["opc-obo-token"] == "obo"
    assert 'headers="date (request-target) host opc-obo-token"' in signed["authorization"]
