"""CONTEXT → SETTINGS: what the Fn CLI's context of an Oracle provider means to OCI. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from nbfn import config
from nbfn.deploy.oci.regions import region_of_service
from nbfn.deploy.oci.settings import OciSettings
from nbfn.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.contexts import Context
    from nbfn.deploy.oci.settings import ApiVersion

# Who asks, by provider; empty: as the profile or OCI_CLI_AUTH says.
_AUTH = {"oracle": "", "oracle-ip": "instance_principal", "oracle-cs": "instance_obo_user"}
# Keys of a context (``oracle.…``) and what ``~/.oci/config`` calls the same.
_OVERRIDES = {
    "tenancy-id": "tenancy",
    "user-id": "user",
    "fingerprint": "fingerprint",
    "key-file": "key_file",
    "pass-phrase": "pass_phrase",
}
_TRUE = frozenset({"true", "1", "yes", "on"})


def settings_of(context: Context, environ: Mapping[str, str] | None = None) -> OciSettings:
    """The settings that ``context`` stands for; ``environ`` is what the environment says to clients of OCI.

    Raises:
        BadInput: a key is missing, or a value cannot be; says which, and how to set it.
    """
    told = context.oracle
    env = config.oci_environment() if environ is None else environ
    compartment = told.get("compartment-id") or _home(context, env)
    if not compartment:
        raise BadInput(
            f"context {context.name!r} does not say which compartment functions are in",
            hint="`nbfn update context oracle.compartment-id ocid1.compartment.oc1..…` (console: Identity > "
            "Compartments)",
        )
    try:
        return OciSettings(
            compartment_id=compartment,
            profile=told.get("profile", ""),
            region=region_of_service(urlsplit(context.api_url).hostname or ""),
            endpoint=context.api_url,
            image_compartment_id=told.get("image-compartment-id", ""),
            subnet_ids=tuple(listed(told.get("subnet-ids", ""))),
            bucket=told.get("bucket", ""),
            context=context.name,
            shape=told.get("shape") or "GENERIC_X86",
            # Whether there is such a version, the settings say themselves.
            api_version=cast("ApiVersion", told.get("api-version") or "20260325"),
            auth=_AUTH[context.provider],
            overrides={name: told[key] for key, name in _OVERRIDES.items() if told.get(key)},
            verify=told.get("disable-certs", "").lower() not in _TRUE,
            environ=env,
        )
    except BadInput as error:
        raise BadInput(f"context {context.name!r}: {error.message}", hint=error.hint) from None


def listed(text: str) -> list[str]:
    """Several ids in one text: with commas between, as JSON, or as JSON that a shell took the quotes from."""
    return [part for each in text.strip().strip("[]").split(",") if (part := each.strip().strip("\"'"))]


def _home(context: Context, environ: Mapping[str, str]) -> str:
    """In Cloud Shell the root compartment is meant if nobody says more."""
    if context.provider != "oracle-cs":
        return ""
    return environ.get("OCI_CLI_TENANCY") or environ.get("OCI_TENANCY", "")
