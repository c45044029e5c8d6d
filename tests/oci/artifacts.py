"""OCI Artifacts in small: the repositories of the registry, whose names are the whole tenancy's."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.oci.store import Problem, need


@dataclass
class Artifacts:
    """The compartment of each repository, by its name."""

    repositories: dict[str, str] = field(default_factory=dict)

    def answer(self, method: str, body: bytes, query: dict[str, str]) -> dict[str, Any]:
        """The list of a compartment, or the repository that was made. Raises Problem."""
        if method == "GET":
            need(query, "compartmentId")
            kept = [
                {"displayName": name, "compartmentId": compartment}
                for name, compartment in self.repositories.items()
                if compartment == query["compartmentId"] and query.get("displayName") in (None, name)
            ]
            return {"items": kept}
        wanted: dict[str, Any] = json.loads(body)
        need(wanted, "compartmentId", "displayName")
        if wanted["displayName"] in self.repositories:
            raise Problem(409, "NAMESPACE_CONFLICT", "Repository already exists")
        self.repositories[wanted["displayName"]] = wanted["compartmentId"]
        return {**wanted, "lifecycleState": "AVAILABLE"}
