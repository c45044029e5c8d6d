"""Pre-built functions and moved applications, for the test server: as OCI's API has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from tests.oci import server
from tests.oci.store import Problem, need, not_found

if TYPE_CHECKING:
    import pytest

    from tests.oci.server import Call

LISTINGS: list[dict[str, Any]] = [
    {
        "id": f"ocid1.pbflisting.oc1..{number}",
        "name": name,
        "description": f"{name} for everybody",
        "publisherDetails": {"name": "Oracle"},
        "timeUpdated": f"2026-0{number}-01T00:00:00.000Z",
        "triggers": [{"name": each} for each in triggers],
    }
    for number, (name, triggers) in enumerate(
        [("Document Generator", ("http",)), ("Media Workflow", ("service-connector", "http"))], 1
    )
]
VERSIONS: list[dict[str, Any]] = [
    {
        "id": f"ocid1.pbflistingversion.oc1..{number}",
        "pbfListingId": LISTINGS[0]["id"],
        "name": name,
        "lifecycleState": "ACTIVE",
        "timeUpdated": "2026-05-01T00:00:00.000Z",
        "requirements": {"minMemoryRequiredInMBs": 512},
    }
    for number, name in enumerate(("1.0.0", "1.1.0"), 1)
]


def _listings(call: Call) -> Response:
    asked = call.query
    return call.page(
        [
            each
            for each in LISTINGS
            if asked.get("name") in (None, each["name"])
            and asked.get("nameContains", "").lower() in each["name"].lower()
            and ("trigger" not in asked or {"name": asked["trigger"]} in each["triggers"])
        ],
        wrapped=True,
    )


def _versions(call: Call) -> Response:
    need(call.query, "pbfListingId")
    found = [each for each in VERSIONS if each["pbfListingId"] == call.query["pbfListingId"]]
    return call.page(found[-1:] if call.query.get("isCurrentVersion") == "true" else found, wrapped=True)


def _triggers(call: Call) -> Response:
    names = sorted({each["name"] for listing in LISTINGS for each in listing["triggers"]})
    found = [{"name": name} for name in names if call.query.get("name") in (None, name)]
    return call.page(found, wrapped=True)


def _one(things: list[dict[str, Any]], call: Call) -> Response:
    found = next((each for each in things if each["id"] == call.parts[0]), None)
    if found is None:
        raise not_found(call.parts[0])
    return Response(json.dumps(found), media_type="application/json")


def _move(call: Call) -> Response:
    app = call.thing(call.store.apps)
    wanted = call.body["compartmentId"]
    if call.if_match() not in ("", app.etag):
        raise Problem(412, "NoEtagMatch", "The if-match header does not match the resource's etag")

    def change() -> None:
        app.document["compartmentId"] = wanted

    return call.changed(app, "CHANGE_APPLICATION_COMPARTMENT", change)


def serve_prebuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the test server answer these, too."""
    routes = [
        ("GET", "pbfListings", "ListPbfListings", _listings),
        ("GET", "pbfListings/triggers", "ListTriggers", _triggers),
        ("GET", "pbfListings/([^/]+)", "GetPbfListing", lambda call: _one(LISTINGS, call)),
        ("GET", "pbfListingVersions", "ListPbfListingVersions", _versions),
        ("GET", "pbfListingVersions/([^/]+)", "GetPbfListingVersion", lambda call: _one(VERSIONS, call)),
        ("POST", "applications/([^/]+)/actions/changeCompartment", "ChangeAppCompartment", _move),
    ]
    monkeypatch.setattr(server, "_ROUTES", [*server._ROUTES, *routes])
