"""The plain facts that an OCI target is made from, and what follows from them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from nbfn import config
from nbfn.deploy.oci.credentials import ApiKey, read_token, resource_principal, session_token
from nbfn.deploy.oci.limits import SHAPES
from nbfn.deploy.oci.principals import InstancePrincipal
from nbfn.deploy.oci.profiles import Profile, read_profile
from nbfn.deploy.oci.regions import Region, find_region, registry_region
from nbfn.errors import BadInput, CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbfn.deploy.oci.signing import Credentials

ApiVersion = Literal["20260325", "20181201"]
API_VERSIONS: tuple[ApiVersion, ...] = ("20260325", "20181201")
_MOST_SUBNETS = 3
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,256}")
_AUTHS = ("api_key", "security_token", "instance_principal", "instance_obo_user", "resource_principal")


@dataclass(frozen=True, slots=True)
class OciSettings:
    """Where functions go in OCI, and as whom. Only ``compartment_id`` has no default.

    Raises:
        BadInput: a value that cannot be, before anything is asked of OCI.
    """

    compartment_id: str
    profile: str = ""
    """Profile of the configuration file; ``DEFAULT`` if empty, and ``OCI_CLI_PROFILE`` wins."""
    region: str = ""
    """Identifier or key; that of the profile if empty."""
    endpoint: str = ""
    """``https://…`` without a path, instead of the region's own."""
    image_compartment_id: str = ""
    """Compartment of the repositories that images are pushed to."""
    subnet_ids: tuple[str, ...] = ()
    """One to three, for applications that are made."""
    bucket: str = ""
    """Of Object Storage: archives of more than 25 MB go there; it is made if it is missing."""
    context: str = ""
    """Name of the context that says all this, for messages."""
    shape: str = "GENERIC_X86"
    api_version: ApiVersion = "20260325"
    auth: str = ""
    """``api_key``, ``security_token``, ``instance_principal``, ``instance_obo_user`` (Cloud Shell) or
    ``resource_principal``; ``OCI_CLI_AUTH`` or the profile's if empty."""
    config_file: Path | None = None
    """Instead of ``~/.oci/config``; ``OCI_CLI_CONFIG_FILE`` wins."""
    overrides: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Values that win over the profile's: ``tenancy user fingerprint key_file pass_phrase``."""
    verify: bool = True
    """False takes any certificate: for an emulator with one of its own."""
    environ: Mapping[str, str] = field(default_factory=config.oci_environment, repr=False)

    def __post_init__(self) -> None:
        if not self.compartment_id.startswith(("ocid1.compartment.", "ocid1.tenancy.")):
            raise BadInput(
                f"compartment {self.compartment_id!r} is not a compartment's id",
                hint="it begins with ocid1.compartment. (or ocid1.tenancy. for the root compartment); "
                "for a context: oracle.compartment-id",
            )
        if self.api_version not in API_VERSIONS:
            raise BadInput(f"API version {self.api_version!r}", hint=f"use {' or '.join(API_VERSIONS)}")
        if self.shape not in SHAPES:
            raise BadInput(f"shape {self.shape!r} is none of OCI's", hint=f"use one of: {', '.join(SHAPES)}")
        if self.auth and self.auth not in _AUTHS:
            raise BadInput(f"auth {self.auth!r} is not known", hint=f"use one of: {', '.join(_AUTHS)}")
        if self.bucket and not _BUCKET.fullmatch(self.bucket):
            raise BadInput(
                f"{self.bucket!r} cannot name a bucket",
                hint="1 to 256 letters, digits, '_', '-' and '.'; the name alone, without its namespace",
            )
        check_subnets(self.subnet_ids)
        if self.endpoint:
            _check_endpoint(self.endpoint)


def check_subnets(subnet_ids: Sequence[str]) -> None:
    """Return if an application can be in these subnets, by their number and form. Raises BadInput."""
    for each in subnet_ids:
        if not each or any(map(str.isspace, each)):
            raise BadInput(
                f"subnet {each!r} is not a subnet's id",
                hint="ids begin with ocid1.subnet., and commas are between them",
            )
    if len(subnet_ids) > _MOST_SUBNETS:
        raise BadInput(
            f"{len(subnet_ids)} subnets are given", hint=f"an application has 1 to {_MOST_SUBNETS}"
        )


class Account:
    """What ``settings`` come to: read when it is first asked for.

    Raises (each member):
        CredentialsError: the profile, key or token is missing or unfit.
        BadInput: the region is not known.
    """

    def __init__(self, settings: OciSettings) -> None:
        self.settings = settings

    @cached_property
    def credentials(self) -> Credentials:
        environ, auth = self.settings.environ, self._auth
        if auth == "instance_principal":
            return InstancePrincipal(environ, region=self.settings.region)
        if auth == "instance_obo_user":
            path = self._profile.get("delegation_token_file", "")
            return InstancePrincipal(
                environ, region=self.settings.region, delegation=lambda: read_token(Path(path))
            )
        if auth == "resource_principal":
            return resource_principal(environ)
        if auth == "security_token":
            return session_token(self._profile, environ)
        return ApiKey(self._profile, environ)

    @cached_property
    def region(self) -> Region | None:
        """The region; None if an endpoint is given, and the region is not told, or not known here."""
        text = self.settings.region or self._told_region()
        if text:
            try:
                return find_region(
                    text, self.settings.environ.get("OCI_REGION_METADATA", ""), self._region_is()
                )
            except BadInput:  # newer than the table, which an endpoint makes up for
                if not self.settings.endpoint:
                    raise
        if self.settings.endpoint:
            return None
        raise CredentialsError(
            "no region is given, and the profile has none",
            hint="set region, OCI_CLI_REGION, or region= in the profile",
        )

    @property
    def profile_region(self) -> Region | None:
        """The region that the profile or the environment names; None if they name none that is known."""
        try:
            told = self._told_region()
            return find_region(told, self.settings.environ.get("OCI_REGION_METADATA", "")) if told else None
        except BadInput:
            return None

    @property
    def endpoint(self) -> str:
        """Base URL of OCI Functions' management."""
        if self.settings.endpoint:
            return self.settings.endpoint.rstrip("/")
        region = self.region
        return region.functions_url if region else ""

    @property
    def is_real(self) -> bool:
        """True unless the endpoint is an emulator's."""
        host = urlsplit(self.endpoint).hostname or ""
        return ".oraclecloud" in host or ".oraclegovcloud." in host

    def check_registry(self, host: str) -> None:
        """Return if OCI Functions can pull from the registry ``host``.

        Raises:
            BadInput: it is another region's, or none of OCI's.
        """
        where, region = registry_region(host), self.region
        if where is not None and region is not None and where != region.id:
            raise BadInput(
                f"the image is in the registry of {where}, and the function goes to {region.id}",
                hint=f"push it to {region.registries[0]}: functions pull from their own region alone",
            )
        if where is None and self.is_real:
            near = region.registries[0] if region else "KEY.ocir.io"
            raise BadInput(
                f"OCI Functions cannot pull from {host}",
                hint=f"push the image to {near}/NAMESPACE/REPOSITORY:TAG first, or deploy an archive",
            )

    @cached_property
    def _profile(self) -> Profile:
        settings = self.settings
        return read_profile(
            settings.environ,
            profile=settings.profile,
            config_file=settings.config_file,
            overrides=settings.overrides,
        )

    @cached_property
    def _auth(self) -> str:
        told = self.settings.auth or self.settings.environ.get("OCI_CLI_AUTH", "")
        if told in ("instance_principal", "resource_principal"):
            return told
        told = told or self._profile.get("authentication_type", "")
        if told and told not in _AUTHS:
            raise CredentialsError(
                f"OCI_CLI_AUTH or the profile's authentication_type is {told!r}",
                hint=f"use one of: {', '.join(_AUTHS)}",
            )
        return told or ("security_token" if self._profile.get("security_token_file") else "api_key")

    def _region_is(self) -> str:
        """Where the region is told."""
        if self.settings.region:
            return "region of the settings"
        if self._auth == "resource_principal":
            return "OCI_RESOURCE_PRINCIPAL_REGION"
        if isinstance(self.credentials, InstancePrincipal):
            return "the instance's"
        if self.settings.environ.get("OCI_CLI_REGION"):
            return "OCI_CLI_REGION"
        return f"region of the profile, {self._profile.place}"

    def _told_region(self) -> str:
        environ = self.settings.environ
        if self._auth == "resource_principal":
            return environ.get("OCI_RESOURCE_PRINCIPAL_REGION", "")
        if isinstance(self.credentials, InstancePrincipal):
            return self.credentials.region
        return environ.get("OCI_CLI_REGION") or self._profile.get("region", "")


def _check_endpoint(text: str) -> None:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise BadInput(
            f"endpoint {text!r} is not the address of a service",
            hint="give it as https://HOST or http://localhost:PORT, without a path",
        )
