"""What ``inspect`` and ``list`` show of a function's modes in OCI: the Fn CLI's words for the annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PREFIX = "oracle.com/oci/"
_PRE_BUILT, _ARCHIVE = "pre-built ", "archive "
OF_LISTS = ("provisionedConcurrency", "detachedMode", "sourceDetails")
"""What lists show of it, as JSON."""


def with_modes(held: Mapping[str, Any]) -> dict[str, Any]:
    """``held``, and what its annotations and its image tell, by the names that OCI and the Fn CLI have."""
    notes = held.get("annotations") or {}
    parity = f"{_PREFIX}parity/"
    passed = {name.removeprefix(parity): value for name, value in notes.items() if name.startswith(parity)}
    found = {
        "provisionedConcurrency": _provisioned(notes),
        "detachedMode": _detached(notes),
        "sourceDetails": _source(str(held.get("image", ""))),
        **passed,
    }
    return {**held, **{name: value for name, value in found.items() if value}}


def cells(held: Mapping[str, Any]) -> dict[str, str]:
    """The same in a table: empty where there is nothing."""
    modes = with_modes(held)
    units, detached = modes.get("provisionedConcurrency", {}), modes.get("detachedMode", {})
    ends = [
        f"{which}={':'.join(detached[name].values())}"
        for which, name in (("success", "onSuccess"), ("failure", "onFailure"))
        if name in detached
    ]
    listing = modes.get("sourceDetails", {})
    kind = str(listing.get("sourceType", "")).lower()
    return {
        "SOURCE": f"pbf:{listing['pbfListingId']}" if "pbfListingId" in listing else kind,
        "PC": ":".join(str(each).lower() for each in units.values()),
        "DETACHED_TIMEOUT": detached.get("timeout", ""),
        "DESTINATIONS": ",".join(ends),
    }


def columns(held: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those columns of :func:`cells` that have something for any of ``held``."""
    told = [cells(each) for each in held]
    return [name for name in (told[0] if told else ()) if any(each[name] for each in told)]


def _provisioned(notes: Mapping[str, Any]) -> dict[str, Any]:
    told = {"strategy": "Strategy", "count": "Count"}
    found = {name: notes.get(f"{_PREFIX}provisionedConcurrency{end}") for name, end in told.items()}
    return {name: value for name, value in found.items() if value}


def _detached(notes: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if seconds := notes.get(f"{_PREFIX}detachedModeTimeoutInSeconds"):
        found["timeout"] = _lasting(int(seconds))
    for name, end in (("onSuccess", "success"), ("onFailure", "failure")):
        kind, ocid = (notes.get(f"{_PREFIX}{end}Destination{part}") for part in ("Kind", "Ocid"))
        if kind:
            found[name] = {"type": str(kind).lower(), **({"ocid": str(ocid)} if ocid else {})}
    return found


def _source(image: str) -> dict[str, str]:
    if image.startswith(_PRE_BUILT):
        return {"sourceType": "PRE_BUILT_FUNCTIONS", "pbfListingId": image.removeprefix(_PRE_BUILT)}
    return {"sourceType": "ARCHIVE"} if image.startswith(_ARCHIVE) else {}


def _lasting(seconds: int) -> str:
    for unit, name in ((3600, "h"), (60, "m")):
        if seconds % unit == 0:
            return f"{seconds // unit}{name}"
    return f"{seconds}s"
