"""One context, and the rules for its parts. Pure.

===========================  ===================================================================
``provider``                 ``default`` (any Fn server), ``oracle``, ``oracle-ip``, ``oracle-cs``
``api-url``                  the server; for OCI it may be empty: the profile's region says it
``registry``                 prefix of image names: ``user``, or ``registry.example/user``
``token``                    bearer token for provider ``default``
``container-enginetype``     ``docker`` or ``podman``, which builds; else ``config.yaml`` says it
``oracle.compartment-id``    and ``oracle.profile``, ``.image-compartment-id``, ``.tenancy-id``,
                             ``.user-id``, ``.fingerprint``, ``.key-file``, ``.pass-phrase``,
                             ``.disable-certs``; nbfn's own: ``oracle.subnet-ids`` and ``.shape`` (of
                             applications that a deployment makes), ``.bucket`` (for large archives),
                             ``.api-version``
===========================  ===================================================================

A variable ``FN_`` + the key in capitals (``FN_API_URL``, ``FN_REGISTRY``, ``FN_PROVIDER``, ``FN_TOKEN``)
wins over the file, and so do OCI's own variables over the keys that mean the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nbfn import enginetype
from nbfn.errors import BadInput, NameRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT = "default"
LOCAL_URL = "http://localhost:8080"
"""Of the context ``default`` as the Fn CLI makes it."""
ORACLE_PROVIDERS = ("oracle", "oracle-ip", "oracle-cs")
PROVIDERS = (DEFAULT, *ORACLE_PROVIDERS)
KEYS = ("provider", "api-url", "registry", "token")
ORACLE_KEYS = tuple(
    f"oracle.{key}"
    for key in (
        "compartment-id",
        "profile",
        "image-compartment-id",
        "tenancy-id",
        "user-id",
        "fingerprint",
        "key-file",
        "pass-phrase",
        "disable-certs",
        # The Fn CLI leaves these alone.
        "subnet-ids",
        "shape",
        "bucket",
        "api-version",
    )
)
SECRETS = frozenset({"token", "oracle.pass-phrase"})

# What OCI's own tools call it.
_OCI_VARIABLES = {
    "OCI_CLI_PROFILE": "oracle.profile",
    "OCI_CLI_TENANCY": "oracle.tenancy-id",
    "OCI_CLI_USER": "oracle.user-id",
    "OCI_CLI_FINGERPRINT": "oracle.fingerprint",
    "OCI_CLI_KEY_FILE": "oracle.key-file",
}
_OCI_AUTH = {"instance_obo_user": "oracle-cs", "instance_principal": "oracle-ip"}
_NAME = re.compile(r"[a-zA-Z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Context:
    """Where functions go."""

    name: str
    provider: str = DEFAULT
    api_url: str = ""
    registry: str = ""
    token: str = field(default="", repr=False)
    oracle: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Keys without ``oracle.``: ``compartment-id``, ``profile``, …"""
    engine: str = field(default="", compare=False)
    """What builds and runs containers, if this context says it."""

    @property
    def is_oracle(self) -> bool:
        """True if it means OCI Functions."""
        return self.provider in ORACLE_PROVIDERS

    @property
    def is_local(self) -> bool:
        """True if it means this machine's own executor: ``default``, as it is made."""
        return self == Context(DEFAULT, DEFAULT, LOCAL_URL, self.registry)

    def image_name(self, name: str, version: str) -> str:
        """``REGISTRY/NAME:VERSION``; the registry is left out if there is none or the name has one."""
        prefix = f"{self.registry.rstrip('/')}/" if self.registry and "/" not in name else ""
        return f"{prefix}{name}:{version}" if version else f"{prefix}{name}"


def local(registry: str = "") -> Context:
    """The context of this machine's own executor."""
    return Context(DEFAULT, DEFAULT, LOCAL_URL, registry)


def from_values(name: str, values: Mapping[str, str], where: Callable[[str], str]) -> Context:
    """The context that ``values`` (flat: ``oracle.profile``) describe; ``where`` tells errors a key's place.

    Raises:
        BadInput: a provider that there is not, or an address that cannot be one.
    """
    provider = values.get("provider") or DEFAULT
    if provider not in PROVIDERS:
        raise BadInput(
            f"{where('provider')}: provider is {provider!r}", hint=f"use one of: {', '.join(PROVIDERS)}"
        )
    url = values.get("api-url") or ""
    if url:
        url = check_api_url(url, where("api-url"))
    return Context(
        name=name,
        provider=provider,
        api_url=url.rstrip("/"),
        registry=values.get("registry") or "",
        token=values.get("token") or "",
        oracle={
            key.removeprefix("oracle."): value for key, value in values.items() if key.startswith("oracle.")
        },
        engine=values.get(enginetype.KEY) or "",
    )


def variable_of(key: str) -> str:
    """The variable that wins over ``key``, as the Fn CLI calls it."""
    return "FN_" + key.upper().replace("-", "_")


def overridden(values: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """``values`` with what the environment says in their place."""
    told = dict(values)
    for key in (*KEYS, *ORACLE_KEYS, *values):
        found = environ.get(variable_of(key))
        if found:
            told[key] = found
    for variable, key in _OCI_VARIABLES.items():
        if environ.get(variable):
            told[key] = environ[variable]
    if told.get("provider") == "oracle" and environ.get("OCI_CLI_AUTH") in _OCI_AUTH:
        told["provider"] = _OCI_AUTH[environ["OCI_CLI_AUTH"]]
    if environ.get("FN_API_URL") and "://" not in environ["FN_API_URL"]:
        told["api-url"] = f"http://{environ['FN_API_URL']}"
    return told


def with_registry(context: Context, registry: str) -> Context:
    """``context`` with another registry."""
    return replace(context, registry=registry)


def check_name(name: str) -> str:
    """``name`` itself, if it can name a context.

    Raises:
        NameRefused: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise NameRefused(f"{name!r} cannot name a context", hint="use letters, digits, '_' and '-'")
    return name


def check_api_url(url: str, where: str = "api-url") -> str:
    """``url`` itself, if it can be a server's address.

    Raises:
        BadInput: it cannot.
    """
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and " " not in url
    except ValueError:  # a port that is no number
        fits = False
    if not fits:
        raise BadInput(f"{where}: {url!r} is not an address", hint="write http://HOST:PORT or https://HOST")
    return url
