"""``deploy.oci`` in ``func.yaml``: what OCI Functions shall do beyond what Fn has.

It becomes the annotations that the Fn CLI's Oracle provider has for it, so that a file, a line of ``fn`` and
``nbfn inspect`` say the same by the same names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbfn.errors import BadInput
from nbfn.projects import fields
from nbfn.projects.durations import whole_seconds

if TYPE_CHECKING:
    from nbfn.yamlfile import Document, Key

_AT = ("deploy", "oci")
_PREFIX = "oracle.com/oci/"
_KNOWN = ("provisioned_concurrency", "detached_mode", "freeform_tags", "defined_tags", "pbf")
_STRATEGIES = ("CONSTANT", "NONE")
_KINDS = ("stream", "queue", "notification", "notifications", "none")


def oci_annotations(document: Document) -> dict[str, Any]:
    """The annotations that ``deploy.oci`` stands for; none if it is not there.

    Raises:
        BadInput: a value cannot be, or is nothing that nbfn deploys; with line and column.
    """
    told = fields.mapping(document, *_AT)
    for key in told:
        if key not in _KNOWN:
            raise _wrong(document, (*_AT, key), "is nothing that OCI is told", f"use {', '.join(_KNOWN)}")
    return {
        **_provisioned(document),
        **_detached(document),
        **_tags(document),
    }


def pre_built(document: Document) -> str:
    """The pre-built function of OCI's that it is to be made of; empty if it has code of its own.

    Raises:
        BadInput: ``deploy.oci.pbf`` does not say which; with line and column.
    """
    at = (*_AT, "pbf")
    listing = fields.text(document, *at, "listing_id")
    if fields.mapping(document, *at) and not listing:
        raise _wrong(document, at, "has no listing_id", "`nbfn list pbfs` has the ids: 'listing_id: ocid1.…'")
    return listing


def _provisioned(document: Document) -> dict[str, Any]:
    at = (*_AT, "provisioned_concurrency")
    if not fields.mapping(document, *at):
        return {}
    count = fields.number(document, *at, "count")
    strategy = fields.text(document, *at, "strategy").upper() or ("CONSTANT" if count else "NONE")
    if strategy not in _STRATEGIES:
        raise _wrong(document, (*at, "strategy"), f"is {strategy!r}", "use CONSTANT or NONE")
    if strategy == "CONSTANT" and count is None:
        raise _wrong(document, at, "has no count", "CONSTANT needs one, like 'count: 40'")
    notes: dict[str, Any] = {f"{_PREFIX}provisionedConcurrencyStrategy": strategy}
    return notes | ({f"{_PREFIX}provisionedConcurrencyCount": count} if strategy == "CONSTANT" else {})


def _detached(document: Document) -> dict[str, Any]:
    at = (*_AT, "detached_mode")
    fields.mapping(document, *at)
    notes: dict[str, Any] = {}
    timeout = fields.text(document, *at, "timeout")
    if timeout not in ("", "0"):
        where = f"{document.where(*at, 'timeout')}: {'.'.join(at)}.timeout"
        notes[f"{_PREFIX}detachedModeTimeoutInSeconds"] = whole_seconds(timeout, where)
    for key, name in (("on_success", "successDestination"), ("on_failure", "failureDestination")):
        if not fields.mapping(document, *at, key):
            continue
        kind = fields.text(document, *at, key, "type").lower()
        ocid = fields.text(document, *at, key, "ocid")
        if kind not in _KINDS:
            raise _wrong(document, (*at, key), f"has the type {kind!r}", f"use one of {', '.join(_KINDS)}")
        if kind != "none" and not ocid:
            raise _wrong(document, (*at, key), "has no ocid", f"give the {kind}'s, 'ocid: ocid1.…'")
        notes[f"{_PREFIX}{name}Kind"] = kind.upper()
        notes |= {f"{_PREFIX}{name}Ocid": ocid} if ocid else {}
        channel = fields.text(document, *at, key, "channel_id")
        if channel and kind != "queue":
            raise _wrong(document, (*at, key), "has a channel_id", "only queues have channels: leave it out")
        notes |= {f"{_PREFIX}{name}ChannelId": channel} if channel else {}
    return notes


def _tags(document: Document) -> dict[str, Any]:
    notes: dict[str, Any] = {}
    if fields.mapping(document, *_AT, "freeform_tags"):
        notes[f"{_PREFIX}freeformTags"] = fields.texts(document, *_AT, "freeform_tags")
    spaces = fields.mapping(document, *_AT, "defined_tags")
    if spaces:
        notes[f"{_PREFIX}definedTags"] = {
            str(space): fields.plain(fields.mapping(document, *_AT, "defined_tags", space))
            for space in spaces
        }
    return notes


def _wrong(document: Document, keys: tuple[Key, ...], said: str, hint: str) -> BadInput:
    return BadInput(f"{document.where(*keys)}: {'.'.join(map(str, keys))} {said}", hint=hint)
