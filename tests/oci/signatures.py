"""How OCI checks a signature: written from its rules, apart from the code that makes them."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import json
import re
import time
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_SKEW_S = 300


class Refused(Exception):
    """The signature is not accepted; the text is for the test's log alone."""


class Gate:
    """Knows public keys by their ids, and who issues tokens."""

    def __init__(self, issuer: RSAPublicKey) -> None:
        self.keys: dict[str, RSAPublicKey] = {}
        self._issuer = issuer

    def check(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        with_host: bool = True,
        with_body: bool = True,
    ) -> str:
        """The key's id; raises Refused. Requests for tokens alone do without the host, and what is put
        into Object Storage without the body."""
        scheme, _, rest = headers.get("authorization", "").partition(" ")
        told = dict(_PARAMETER.findall(rest))
        if scheme != "Signature" or told.get("version") != "1" or told.get("algorithm") != "rsa-sha256":
            raise Refused("no signature of this kind")
        names = told.get("headers", "").split(" ")
        needed = {"(request-target)", "host"} if with_host else {"(request-target)"}
        if with_body and method in ("POST", "PUT", "PATCH"):
            needed |= {"x-content-sha256", "content-type", "content-length"}
        if not needed <= set(names) or not {"date", "x-date"} & set(names):
            raise Refused(f"not everything is signed: {names}")
        self._check_date(headers)
        if "x-content-sha256" in names:
            digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
            if headers.get("x-content-sha256") != digest or int(headers["content-length"]) != len(body):
                raise Refused("the body is another one")
        values = {**headers, "(request-target)": f"{method.lower()} {target}"}
        try:
            text = "\n".join(f"{name}: {values[name]}" for name in names)
            signature = base64.b64decode(told["signature"], validate=True)
            self._key(told["keyId"]).verify(signature, text.encode(), PKCS1v15(), SHA256())
        except (KeyError, ValueError, InvalidSignature) as error:
            raise Refused(f"the signature is wrong: {error!r}") from error
        return str(told["keyId"])

    def _check_date(self, headers: Mapping[str, str]) -> None:
        try:
            told = email.utils.parsedate_to_datetime(headers.get("x-date") or headers["date"])
        except (KeyError, ValueError) as error:
            raise Refused("no date") from error
        if abs(told.timestamp() - time.time()) > _SKEW_S:
            raise Refused("the clocks differ")

    def _key(self, key_id: str) -> RSAPublicKey:
        if not key_id.startswith("ST$"):
            return self.keys[key_id]
        head, _, signature = key_id.removeprefix("ST$").rpartition(".")
        self._issuer.verify(_bytes(signature), head.encode(), PKCS1v15(), SHA256())
        claims = json.loads(_bytes(head.partition(".")[2]))
        if claims["exp"] < time.time():
            raise ValueError("the token has ended")
        jwk = json.loads(claims["jwk"])
        return RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(text: str) -> int:
    return int.from_bytes(_bytes(text), "big")
