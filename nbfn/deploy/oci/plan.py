"""What to ask of OCI so that it holds what is wanted: decided without asking anything.

An update of OCI's replaces each field that it names, whole maps included, so the differences are sent and
``config`` and the tags always whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbfn.deploy.oci import dialect
from nbfn.errors import BadInput
from nbfn.runtime.wire import KEY_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.deploy.oci.dialect import Source
    from nbfn.deploy.oci.limits import Extras
    from nbfn.deploy.oci.settings import ApiVersion
    from nbfn.spec import FunctionSpec, Progress

FINGERPRINT_TAG = "nbfn-fingerprint"
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A function as OCI should hold it."""

    spec: FunctionSpec
    source: Source
    fingerprint: str
    extras: Extras
    tell: Progress | None = field(default=None, compare=False, repr=False)
    """Is told ``upload``, and how many of how many bytes are in Object Storage."""

    @property
    def tags(self) -> dict[str, str]:
        return {**self.extras.freeform_tags, FINGERPRINT_TAG: self.fingerprint}


@dataclass(frozen=True, slots=True)
class Change:
    """The body of a request; it holds the key, so it has no repr."""

    body: Mapping[str, Any] = field(repr=False)


def check(version: ApiVersion, want: Wanted) -> None:
    """Return if :func:`creation` could say it. Raises BadInput."""
    _config(want.spec, "")
    dialect.check_version(version, want.source)


def creation(version: ApiVersion, want: Wanted, app_id: str, fresh_key: str) -> Change:
    """The body that makes the function."""
    spec = want.spec
    body: dict[str, Any] = {
        "displayName": spec.name,
        "applicationId": app_id,
        "memoryInMBs": spec.limits.memory_mb,
        "timeoutInSeconds": spec.limits.timeout_s,
        "config": _config(spec, fresh_key),
        "freeformTags": want.tags,
        **extra_fields(want.extras),
        **dialect.source_body(version, want.source),
    }
    return Change(body)


def update(version: ApiVersion, fn: Mapping[str, Any], want: Wanted, fresh_key: str) -> Change | None:
    """The body that turns ``fn`` into what is wanted; None if nothing differs.

    A key that the function has stays, so that a kernel which deployed it earlier can go on calling.

    Raises:
        BadInput: an image should become an archive, or the other way round.
    """
    dialect.check_switch(fn, want.source)
    spec = want.spec
    fields: dict[str, Any] = {
        "memoryInMBs": spec.limits.memory_mb,
        "timeoutInSeconds": spec.limits.timeout_s,
        "config": _config(spec, key_of(fn) or fresh_key),
        "freeformTags": {**(fn.get("freeformTags") or {}), **want.tags},
        **extra_fields(want.extras),
    }
    if "definedTags" in fields:  # those of other namespaces are others' affair, OCI's own among them
        fields["definedTags"] = {**(fn.get("definedTags") or {}), **fields["definedTags"]}
    body = {name: value for name, value in fields.items() if (fn.get(name) or {}) != (value or {})}
    if not dialect.has_source(fn, want.source):
        body |= dialect.source_body(version, want.source)
    return Change(body) if body else None


def key_of(fn: Mapping[str, Any]) -> str:
    """The function's key in hex, or an empty string if it has none that is fit to use."""
    key = (fn.get("config") or {}).get(KEY_VARIABLE, "")
    return key if isinstance(key, str) and _KEY.fullmatch(key) else ""


def _config(spec: FunctionSpec, key: str) -> dict[str, str]:
    if KEY_VARIABLE in spec.config:
        raise BadInput(f"config has {KEY_VARIABLE}, which nbfn sets itself", hint="use another name")
    return {**spec.config, KEY_VARIABLE: key}


def extra_fields(extras: Extras) -> dict[str, Any]:
    """OCI's fields for what is not left as it is, but for the free-form tags."""
    body: dict[str, Any] = {}
    if extras.provisioned_units is not None:
        units = extras.provisioned_units
        body["provisionedConcurrencyConfig"] = (
            {"strategy": "CONSTANT", "count": units} if units else {"strategy": "NONE"}
        )
    if extras.detached_timeout_s is not None:
        body["detachedModeTimeoutInSeconds"] = extras.detached_timeout_s
    if extras.on_success is not None:
        body["successDestination"] = extras.on_success.document
    if extras.on_failure is not None:
        body["failureDestination"] = extras.on_failure.document
    if extras.defined_tags is not None:
        body["definedTags"] = {space: dict(tags) for space, tags in extras.defined_tags.items()}
    if extras.is_traced is not None:
        body["traceConfig"] = {"isEnabled": extras.is_traced}
    return body
