"""Who asks: keys, identities, and the files that hold them, made for one test."""

from __future__ import annotations

import base64
import functools
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from nbfn.deploy.oci.keys import fingerprint

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

TENANCY = "ocid1.tenancy.oc1..aaaaaaaatenancy"
USER = "ocid1.user.oc1..aaaaaaaauser"
COMPARTMENT = "ocid1.compartment.oc1..aaaaaaaacompartment"
SUBNET = "ocid1.subnet.oc1.iad.aaaaaaaasubnet"
REGION = "us-ashburn-1"


@functools.cache
def a_key(name: str) -> RSAPrivateKey:
    """A key of 2,048 bits; the same for the same name, since making one takes a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Person:
    """A user with an API key."""

    key: RSAPrivateKey

    @property
    def key_id(self) -> str:
        return f"{TENANCY}/{USER}/{fingerprint(self.key)}"

    def write(self, folder: Path, pass_phrase: str = "", **more: str) -> Path:
        """A configuration file with a DEFAULT profile, and the key beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        write_key(self.key, folder / "key.pem", pass_phrase)
        values = {
            "user": USER,
            "fingerprint": fingerprint(self.key),
            "tenancy": TENANCY,
            "region": REGION,
            "key_file": str(folder / "key.pem"),
            **({"pass_phrase": pass_phrase} if pass_phrase else {}),
            **more,
        }
        config = folder / "config"
        config.write_text("\n".join(["[DEFAULT]", *(f"{k}={v}" for k, v in values.items()), ""]))
        return config


def write_key(key: RSAPrivateKey, path: Path, pass_phrase: str = "") -> None:
    path.touch(0o600)
    path.write_bytes(pem_of(key, pass_phrase))


def pem_of(key: RSAPrivateKey, pass_phrase: str = "") -> bytes:
    lock = BestAvailableEncryption(pass_phrase.encode()) if pass_phrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def token(issuer: RSAPrivateKey, holder: RSAPublicKey, *, lasts_s: float = 900, **claims: object) -> str:
    """A session's JWT, which carries the public key of its holder."""
    numbers = holder.public_numbers()
    jwk = {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
    now = int(time.time())
    payload = {"sub": USER, "iat": now - 60, "exp": int(now + lasts_s), "jwk": json.dumps(jwk), **claims}
    head = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(payload)}"
    return f"{head}.{_base64(issuer.sign(head.encode(), PKCS1v15(), SHA256()))}"


def _part(document: dict[str, object]) -> str:
    return _base64(json.dumps(document).encode())


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
