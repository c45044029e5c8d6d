"""Fn's routes over OCI: names, merging updates, annotations; no triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbfn.deploy.oci.face import FnFace
from nbfn.errors import BadInput, LimitError, NotFound
from tests.oci.people import COMPARTMENT, SUBNET

if TYPE_CHECKING:
    from tests.oci.conftest import MakeTarget
    from tests.oci.server import Cloud


@pytest.mark.parametrize("version", ["20260325", "20181201"])
def test_a_session_in_fns_words(version: str, target_of: MakeTarget, cloud: Cloud) -> None:
    face = FnFace(target_of(api_version=version, subnet_ids=()))
    with pytest.raises(BadInput, match="needs a subnet"):
        face.post("/v2/apps", {"name": "app01"})
    notes = {"oracle.com/oci/subnetIds": [SUBNET]}
    app = face.post("/v2/apps", {"name": "app01", "annotations": notes, "config": {"A": "1", "B": "2"}})
    assert (app["name"], app["shape"], app["config"]) == ("app01", "GENERIC_X86", {"A": "1", "B": "2"})
    assert app["annotations"] == {"oracle.com/oci/compartmentId": COMPARTMENT, **notes}
    changed = face.put(f"/v2/apps/{app['id']}", {"config": {"A": "", "C": "3"}, "syslog_url": "tcp://h:1"})
    assert (changed["config"], changed["syslog_url"]) == ({"B": "2", "C": "3"}, "tcp://h:1")
    assert [each["name"] for each in face.items("/v2/apps")] == ["app01"]
    assert face.first("/v2/apps", name="nosuch") is None

    body = {"app_id": app["id"], "name": "hello", "image": "iad.ocir.io/ns/hello:0.0.2", "config": {"X": "y"}}
    fn = face.post("/v2/fns", body)
    assert (fn["memory"], fn["timeout"], fn["image"]) == (128, 30, "iad.ocir.io/ns/hello:0.0.2")
    url = fn["annotations"]["fnproject.io/fn/invokeEndpoint"]
    assert url == f"{cloud.store.endpoint}/{version}/functions/{fn['id']}/actions/invoke"
    fn = face.put(
        f"/v2/fns/{fn['id']}", {"memory": 512, "timeout": 60, "image": "iad.ocir.io/ns/hello:0.0.3"}
    )
    assert (fn["memory"], fn["timeout"], fn["image"]) == (512, 60, "iad.ocir.io/ns/hello:0.0.3")
    assert face.first("/v2/fns", app_id=app["id"], name="hello") == fn
    with pytest.raises(LimitError):
        face.put(f"/v2/fns/{fn['id']}", {"memory": 300})
    with pytest.raises(BadInput, match="the registry of us-phoenix-1"):
        face.put(f"/v2/fns/{fn['id']}", {"image": "phx.ocir.io/ns/hello:0.0.3"})

    with pytest.raises(NotFound, match="no HTTP triggers"):
        face.get("/v2/triggers", app_id=app["id"])
    with pytest.raises(BadInput, match="no HTTP triggers"):
        face.post("/v2/triggers", {"name": "t"})
    face.delete(f"/v2/fns/{fn['id']}")
    face.delete(f"/v2/apps/{app['id']}")
    assert face.get("/v2/apps") == {"items": []}
    with pytest.raises(NotFound):
        face.get(f"/v2/apps/{app['id']}")
