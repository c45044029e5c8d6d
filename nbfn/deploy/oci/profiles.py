"""Who one is to OCI, as written down: ``~/.oci/config``, and the variables of the OCI CLI, which win."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.deploy.oci.keys import PassPhrase
from nbfn.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLES = {
    "tenancy": "OCI_CLI_TENANCY",
    "user": "OCI_CLI_USER",
    "fingerprint": "OCI_CLI_FINGERPRINT",
    "key_file": "OCI_CLI_KEY_FILE",
    "key_content": "OCI_CLI_KEY_CONTENT",
    "pass_phrase": "OCI_CLI_PASSPHRASE",
    "region": "OCI_CLI_REGION",
    "security_token_file": "OCI_CLI_SECURITY_TOKEN_FILE",
    "authentication_type": "OCI_CLI_AUTH",
}
_ENOUGH = frozenset({"tenancy", "user", "fingerprint"})
_DEFAULT = "DEFAULT"
_OF_CONTEXT = "oracle.pass-phrase of the context"


class Profile(dict[str, str]):
    """What is known of a profile, and what opens its key."""

    phrase = PassPhrase()
    place = ""
    """``[NAME] of FILE``."""


def read_profile(
    environ: Mapping[str, str],
    *,
    profile: str = "",
    config_file: Path | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Profile:
    """Everything known of a profile, under the names of ``~/.oci/config``. Paths are absolute.

    The variables ``OCI_CLI_*`` win over ``overrides``, which win over the file. A file that is not there is
    no error if the others say enough.

    Raises:
        CredentialsError: the file cannot be read (with its line), or has no such profile.
    """
    path = Path(
        environ.get("OCI_CLI_CONFIG_FILE")
        or environ.get("OCI_CONFIG_FILE")
        or config_file
        or Path(environ.get("HOME") or "~", ".oci", "config")
    ).expanduser()
    name = environ.get("OCI_CLI_PROFILE") or environ.get("OCI_CONFIG_PROFILE") or profile or _DEFAULT
    given = {key: value for key, value in (overrides or {}).items() if value}
    given |= {key: environ[variable] for key, variable in _VARIABLES.items() if environ.get(variable)}
    if path.exists():
        found = _section(path, name)
    elif given.keys() >= _ENOUGH or given.get("authentication_type", "").endswith("principal"):
        found = {}
    else:
        raise CredentialsError(
            f"{path} is not there, so who you are to OCI is not known",
            hint="`oci setup config` writes it, or set OCI_CLI_TENANCY, _USER, _FINGERPRINT and _KEY_FILE",
        )
    values = {**found, **given}
    if "passphrase" in values:
        values.setdefault("pass_phrase", values.pop("passphrase"))
    for key in ("key_file", "security_token_file", "delegation_token_file"):
        if key in values:
            values[key] = str(path.parent / _expand(values[key], environ))
    known = Profile(values)
    known.place = f"[{name}] of {path}"
    known.phrase = _phrase(values.get("pass_phrase", ""), given, environ, f"pass_phrase in {known.place}")
    return known


def _phrase(text: str, given: Mapping[str, str], environ: Mapping[str, str], in_file: str) -> PassPhrase:
    variable = _VARIABLES["pass_phrase"]
    places = f"as {variable}, as {_OF_CONTEXT} (`nbfn update context oracle.pass-phrase …`), or as {in_file}"
    if environ.get(variable):
        return PassPhrase(text, variable, places)
    return PassPhrase(text, _OF_CONTEXT if "pass_phrase" in given else in_file, places)


def _section(path: Path, name: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    except OSError as error:
        raise CredentialsError(
            f"{path} cannot be read: {error.strerror}", hint=f"chmod 600 {path}"
        ) from error
    except (configparser.Error, UnicodeDecodeError) as error:
        raise CredentialsError(
            f"{path}{_line_of(error)} cannot be read as a configuration file",
            hint="it has lines like [PROFILE] and key=value",
        ) from None  # the error's own text quotes lines of the file, and a pass phrase may be in one
    if name == _DEFAULT:
        return dict(parser.defaults())
    if name not in parser:
        known = ", ".join([_DEFAULT, *parser.sections()])
        raise CredentialsError(f"{path} has no profile {name!r}", hint=f"it has: {known}")
    return dict(parser[name])


def _line_of(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    if line is None and (lines := getattr(error, "errors", None)):
        line = lines[0][0]
    return f", line {line}," if line else ""


def _expand(text: str, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME")
    return f"{home}{text[1:]}" if home and text.startswith("~/") else str(Path(text).expanduser())
