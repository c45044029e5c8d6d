"""Who is asking: the logins in Docker's ``config.json`` or Podman's ``auth.json``, and their helpers."""

from __future__ import annotations

import base64
import binascii
import json
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbfn.containerize.registry.reference import HUB
from nbfn.errors import LoginFailed

if TYPE_CHECKING:
    from pathlib import Path

# The key that Docker Hub's login has had since before there were others.
_HUB_KEY = "https://index.docker.io/v1/"
# What a helper says, by convention of docker-credential-helpers, if it has no login.
_NONE_KEPT = "credentials not found"
_HELPER_S = 30
# A helper's name for a login that is an identity token, not a password.
_TOKEN_USER = "<token>"  # noqa: S105 - a name


@dataclass(frozen=True, slots=True)
class Credentials:
    """A login. Secrets are never shown."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    origin: str = ""
    """Where it was found, for the error that says that it was refused."""


def find(host: str, path: Path, repository: str = "") -> Credentials | None:
    """The login for the registry ``host`` in the file at ``path``, or None if there is none.

    A helper for the host comes first, then the store for all, then what the file itself has, as in Docker:
    a login for ``repository``, or what it is below, which Podman can have, before that for all of the host.

    Raises:
        LoginFailed: the file or what a helper says cannot be read, or the helper is not installed.
    """
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise LoginFailed(f"{path} cannot be read: {error}", hint="correct it, or log in again") from error
    if not isinstance(config, dict):
        raise LoginFailed(f"{path} is not a JSON object", hint="correct it, or log in again")
    helper = _object(config, "credHelpers").get(host) or config.get("credsStore")
    if isinstance(helper, str) and helper:
        found = _from_helper(helper, host, path)
        if found is not None:
            return found
    return _from_file(_object(config, "auths"), host, path, repository)


def _object(config: dict[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def login_with(host: str) -> str:
    """How a person logs in to the registry ``host``."""
    return f"docker login {host} (or podman login)"


def _keys(host: str, repository: str) -> tuple[str, ...]:
    parts = repository.split("/") if repository else []
    below = (f"{host}/{'/'.join(parts[:count])}" for count in range(len(parts), 0, -1))
    own = (host, f"https://{host}", f"https://{host}/", f"https://{host}/v1/", f"https://{host}/v2/")
    return (*below, _HUB_KEY, *own) if host == HUB else (*below, *own)


def _from_file(auths: dict[str, Any], host: str, path: Path, repository: str) -> Credentials | None:
    entry = next((auths[key] for key in _keys(host, repository) if isinstance(auths.get(key), dict)), None)
    if entry is None:
        return None
    token = str(entry.get("identitytoken") or "")
    if not entry.get("auth"):
        user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
        return Credentials(user, password, token, str(path)) if user or token else None
    try:
        user, colon, password = base64.b64decode(entry["auth"]).decode().partition(":")
    except (TypeError, binascii.Error, UnicodeDecodeError):
        user, colon, password = "", "", ""
    if not colon:
        raise LoginFailed(
            f"the login for {host} in {path} is damaged: 'auth' is not the base64 of user:password",
            hint=login_with(host),
        )
    return Credentials(user, password.rstrip("\0"), token, str(path))


def _from_helper(helper: str, host: str, path: Path) -> Credentials | None:
    program = f"docker-credential-{helper}"
    asked = _HUB_KEY if host == HUB else host
    try:
        done = subprocess.run(
            [program, "get"], input=asked, capture_output=True, text=True, timeout=_HELPER_S, check=False
        )
    except FileNotFoundError:
        raise LoginFailed(
            f"{path} names the helper {program} for {host}, which is not on the PATH",
            hint=f"install it, or take {helper!r} out of that file and log in again",
        ) from None
    except subprocess.TimeoutExpired:
        raise LoginFailed(
            f"{program} said nothing for {_HELPER_S} s", hint=f"run it: {program} get"
        ) from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        if _NONE_KEPT in said:
            return None
        raise LoginFailed(f"{program} has failed for {host}: {said[:300]}", hint=login_with(host))
    try:
        answer = json.loads(done.stdout)
        user, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        # Not what it said: that may be the secret.
        raise LoginFailed(f"{program} gave no Username and Secret for {host}", hint="update it") from None
    if user == _TOKEN_USER:
        return Credentials(identity_token=secret, origin=program)
    return Credentials(user, secret, origin=program)
