"""The two versions of the API over one store, which holds what it has in the newer one's words."""

from __future__ import annotations

from typing import Any

from tests.oci.store import Problem

OLD = "20181201"


def from_old(document: dict[str, Any]) -> dict[str, Any]:
    """The older version's ``image`` and ``imageDigest`` as the newer one has them."""
    if "sourceDetails" in document and document["sourceDetails"]["sourceType"] != "PRE_BUILT_FUNCTIONS":
        raise Problem(400, "InvalidParameter", "sourceType is not supported")
    image = {name: document.pop(name) for name in ("image", "imageDigest") if name in document}
    return {**document, **({"sourceDetails": {"sourceType": "CONTAINER_IMAGE", **image}} if image else {})}


def to_old(document: dict[str, Any]) -> dict[str, Any]:
    details = document.get("sourceDetails") or {}
    if details.get("sourceType") != "CONTAINER_IMAGE":
        return document
    rest = {name: value for name, value in document.items() if name != "sourceDetails"}
    return {**rest, **{name: value for name, value in details.items() if name != "sourceType"}}
