"""Private keys, their fingerprints, and what a token says of itself."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from nbfn.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_QUIET = "OCI_CLI_SUPPRESS_FILE_PERMISSIONS_WARNING"


@dataclass(frozen=True, slots=True)
class PassPhrase:
    """What opens an encrypted key. It is never shown."""

    text: str = field(default="", repr=False)
    origin: str = ""
    """Where it was found."""
    places: str = "as pass_phrase in the profile, or as OCI_CLI_PASSPHRASE"
    """Where it may be given."""


NONE = PassPhrase()


def read_key(
    path: Path, pass_phrase: PassPhrase = NONE, environ: Mapping[str, str] | None = None
) -> RSAPrivateKey:
    """The private key in a file that nobody else may read.

    Raises:
        CredentialsError: it is not there, others may read it, or see :func:`parse_key`.
    """
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except OSError as error:
        raise CredentialsError(
            f"the key file {path} cannot be read: {error.strerror}",
            hint="key_file of the profile names the private key of an API key or session",
        ) from error
    if mode & _OTHERS and (environ or {}).get(_QUIET, "").lower() != "true":
        raise CredentialsError(
            f"the key file {path} is open to others (mode {stat.S_IMODE(mode):o})",
            hint=f"chmod 600 {path}, or set {_QUIET}=True where modes mean nothing",
        )
    return parse_key(data, pass_phrase, str(path))


def parse_key(pem: bytes, pass_phrase: PassPhrase, where: str) -> RSAPrivateKey:
    """An RSA key from PEM text. A pass phrase that is not needed is not minded.

    Raises:
        CredentialsError: it is not a private RSA key, or the pass phrase is missing or wrong.
    """
    pem = pem.strip()
    secret = pass_phrase.text.encode() or None
    try:
        key = _load(pem, secret)
    except TypeError:
        raise CredentialsError(
            f"the key in {where} is encrypted, and there is no pass phrase for it",
            hint=f"give it {pass_phrase.places}; or name a key that is not encrypted",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        if b"ENCRYPTED" in pem and secret is not None:
            origin = pass_phrase.origin or "what was given"
            raise CredentialsError(
                f"the pass phrase does not open the key in {where}: it is {origin}",
                hint=f"correct it there (it is looked for {pass_phrase.places}, in this order); "
                "`openssl pkey -noout -in KEY_FILE` tries one",
            ) from None
        what = "is a public key" if b"PUBLIC KEY" in pem else "cannot be read as a private key in PEM form"
        raise CredentialsError(
            f"{where} {what}", hint="the private key that belongs to the fingerprint is needed"
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise CredentialsError(f"the key in {where} is not an RSA key", hint="OCI signs with RSA keys alone")
    return key


def _load(pem: bytes, secret: bytes | None) -> object:
    try:
        return load_pem_private_key(pem, secret)
    except TypeError:  # a pass phrase where none is needed, or the other way round
        if secret is None:
            raise
        return load_pem_private_key(pem, None)


def fingerprint(key: RSAPrivateKey) -> str:
    """As OCI's console shows it: ``aa:bb:…``, MD5 of the public key in DER form."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.md5(der, usedforsecurity=False).digest().hex(":")


def token_claims(token: str) -> dict[str, object]:
    """What a JWT says, unchecked (who checks it is OCI); empty if it is none."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, IndexError):
        return {}
    return claims if isinstance(claims, dict) else {}


def expires_at(token: str) -> float | None:
    """When a JWT ends, in seconds since the epoch; None if it does not say."""
    told = token_claims(token).get("exp")
    return float(told) if isinstance(told, int | float) else None
