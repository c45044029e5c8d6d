"""OCI Artifacts in small: the repositories of the registry, whose names are the whole tenancy's.

A repository has every field that Oracle's SDK calls required.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.oci.reply import Reply
from tests.oci.store import Problem, need, now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.oci.services import Serve

_PATH = "/20160918/container/repositories"
_PAGE_MAX = 50


@dataclass
class Artifacts:
    """The compartment of each repository, by its name."""

    repositories: dict[str, str] = field(default_factory=dict)

    def find(self, method: str, path: str) -> tuple[str, Serve] | None:
        """The operation of a request, and what answers it; None if it is none of Artifacts."""
        if path != _PATH:
            return None
        return {
            "GET": ("ListContainerRepositories", self._list),
            "POST": ("CreateContainerRepository", self._create),
        }.get(method)

    def _list(self, _: bytes, __: Mapping[str, str], query: Mapping[str, str]) -> Reply:
        need(dict(query), "compartmentId")
        kept = [
            _document(name, compartment)
            for name, compartment in self.repositories.items()
            if compartment == query["compartmentId"] and query.get("displayName") in (None, name)
        ]
        start, limit = int(query.get("page", "0")), min(int(query.get("limit", "10")), _PAGE_MAX)
        part, left = kept[start : start + limit], max(0, len(kept) - start - limit)
        more = {"opc-next-page": str(start + limit)} if left else {}
        told = {"layerCount": 0, "layersSizeInBytes": 0, "imageCount": 0, "repositoryCount": len(kept)}
        return Reply(200, {**told, "items": part, "remainingItemsCount": left}, more)

    def _create(self, body: bytes, _: Mapping[str, str], __: Mapping[str, str]) -> Reply:
        wanted: dict[str, Any] = json.loads(body)
        need(wanted, "compartmentId", "displayName")
        if wanted["displayName"] in self.repositories:
            raise Problem(409, "NAMESPACE_CONFLICT", "Repository already exists")
        self.repositories[wanted["displayName"]] = wanted["compartmentId"]
        made = _document(wanted["displayName"], wanted["compartmentId"])
        return Reply(200, {**made, "isPublic": wanted.get("isPublic", False)}, {"etag": uuid.uuid4().hex})


def _document(name: str, compartment: str) -> dict[str, Any]:
    return {
        "id": f"ocid1.containerrepo.oc1.iad.{uuid.uuid5(uuid.NAMESPACE_URL, name).hex}",
        "compartmentId": compartment, "displayName": name, "namespace": "ns",
        "createdBy": "ocid1.user.oc1..u",
        "imageCount": 0, "layerCount": 0, "layersSizeInBytes": 0, "billableSizeInGBs": 0,
        "isImmutable": False, "isPublic": False, "lifecycleState": "AVAILABLE", "timeCreated": now(),
        "freeformTags": {}, "definedTags": {}, "systemTags": {},
    }  # fmt: skip
