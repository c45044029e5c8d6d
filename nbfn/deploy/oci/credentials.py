"""The ways to show OCI who is asking: an API key, a session's token, and what a resource is given."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.deploy.oci.keys import PassPhrase, expires_at, fingerprint, parse_key, read_key
from nbfn.deploy.oci.signing import Identity
from nbfn.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbfn.deploy.oci.profiles import Profile

# A token that ends while a request is under way is of no use.
_MARGIN_S = 30.0
_RESOURCE_PHRASE = "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_PASSPHRASE"


class ApiKey:
    """A user's API signing key.

    Raises:
        CredentialsError: something is missing, or the key is not the fingerprint's.
    """

    def __init__(self, profile: Profile, environ: Mapping[str, str]) -> None:
        missing = [name for name in ("tenancy", "user", "fingerprint") if not profile.get(name)]
        if not profile.get("key_file") and not profile.get("key_content"):
            missing.append("key_file")
        if missing:
            raise CredentialsError(
                f"the profile {profile.place} has no {', '.join(missing)}",
                hint=f"add {missing[0]}=… to it there; `oci setup config` writes a whole one",
            )
        pass_phrase = profile.phrase
        if profile.get("key_content"):
            key = parse_key(profile["key_content"].encode(), pass_phrase, "key_content")
        else:
            key = read_key(Path(profile["key_file"]), pass_phrase, environ)
        told, found = profile["fingerprint"].lower(), fingerprint(key)
        if told != found:
            raise CredentialsError(
                f"the fingerprint is {told}, and that of the key in "
                f"{profile.get('key_file', 'key_content')} is {found}",
                hint="take the fingerprint that the console shows for this key, or that key's file. Both may "
                f"be told by {profile.place}, the context (oracle.…) and OCI_CLI_*",
            )
        self._identity = Identity(f"{profile['tenancy']}/{profile['user']}/{told}", key, _delegation(profile))

    def identity(self) -> Identity:
        return self._identity

    def refresh(self) -> bool:
        return False


@dataclass(slots=True)
class TokenFiles:
    """A token and its key that somebody else renews: read again when the token ends or is refused.

    A session's token (``oci session authenticate``) and a resource principal's are both this.
    """

    read: Callable[[], Identity] = field(repr=False)
    renew_hint: str
    clock: Callable[[], float] = time.time
    _held: Identity | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def identity(self) -> Identity:
        with self._lock:
            if self._held is None or self._left_s(self._held) < _MARGIN_S:
                self._held = self.read()
            left_s = self._left_s(self._held)
            if left_s <= 0:
                minutes = max(1, round(-left_s / 60))
                raise CredentialsError(
                    f"the security token ended {minutes} minute(s) ago", hint=self.renew_hint
                )
            return self._held

    def refresh(self) -> bool:
        with self._lock:
            before, self._held = self._held, self.read()
            return before is None or before.key_id != self._held.key_id

    def _left_s(self, identity: Identity) -> float:
        end = expires_at(identity.key_id.removeprefix("ST$"))
        return float("inf") if end is None else end - self.clock()


def session_token(profile: Profile, environ: Mapping[str, str]) -> TokenFiles:
    """The credentials of ``oci session authenticate``."""
    missing = [name for name in ("security_token_file", "key_file") if not profile.get(name)]
    if missing:
        raise CredentialsError(
            f"the profile {profile.place} has no {', '.join(missing)}",
            hint="`oci session authenticate` writes one that has",
        )

    def read() -> Identity:
        token = read_token(Path(profile["security_token_file"]))
        key = read_key(Path(profile["key_file"]), profile.phrase, environ)
        return Identity(f"ST${token}", key, _delegation(profile))

    return TokenFiles(read, "`oci session refresh`, or `oci session authenticate` once that is too late")


def resource_principal(environ: Mapping[str, str]) -> TokenFiles:
    """What OCI gives a function (version 2.2): token and key as text, or as absolute paths of files."""
    version = environ.get("OCI_RESOURCE_PRINCIPAL_VERSION", "")
    token, pem = (environ.get(f"OCI_RESOURCE_PRINCIPAL_{name}", "") for name in ("RPST", "PRIVATE_PEM"))
    if version != "2.2" or not token or not pem:
        found = f"version {version!r}" if version else "none"
        raise CredentialsError(
            f"this process has no resource principal of version 2.2 ({found})",
            hint="OCI gives one to functions and jobs: elsewhere use a profile",
        )
    phrase = environ.get(_RESOURCE_PHRASE, "")

    def read() -> Identity:
        now = read_token(Path(token)) if Path(token).is_absolute() else token
        if Path(pem).is_absolute():
            opens = PassPhrase(_text_of(phrase), _RESOURCE_PHRASE, f"as {_RESOURCE_PHRASE}")
            return Identity(f"ST${now}", parse_key(_bytes_of(Path(pem)), opens, pem))
        opens = PassPhrase(phrase, _RESOURCE_PHRASE, f"as {_RESOURCE_PHRASE}")
        return Identity(f"ST${now}", parse_key(pem.encode(), opens, "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM"))

    return TokenFiles(read, "OCI renews it: start a new instance of the function")


def read_token(path: Path) -> str:
    """The token in a file.

    Raises:
        CredentialsError: it is not there, or empty.
    """
    hint = "`oci session authenticate` writes a token there"
    token = _bytes_of(path, hint).decode("ascii", "replace").strip()
    if not token:
        raise CredentialsError(f"{path} is empty", hint=hint)
    return token


def _delegation(profile: Mapping[str, str]) -> str:
    path = profile.get("delegation_token_file")
    return read_token(Path(path)) if path else ""


def _text_of(text: str) -> str:
    return _bytes_of(Path(text)).decode().strip() if text and Path(text).is_absolute() else text


def _bytes_of(path: Path, hint: str = "") -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsError(f"{path} cannot be read: {error.strerror}", hint=hint) from error
