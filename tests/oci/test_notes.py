"""What OCI has beyond Fn: from ``deploy.oci``, ``app.yaml`` and annotations to OCI, and shown again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import nbfn
from nbfn.deploy.oci import notes
from nbfn.deploy.oci.face import FnFace
from nbfn.errors import BadInput, LimitError
from tests.commands.fnline import fn
from tests.oci.home import VERSIONS, use_oracle
from tests.oci.people import SUBNET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.oci.conftest import MakeTarget
    from tests.oci.server import Cloud

OF_OCI = """\
deploy:
  # what the cloud shall do
  oci:
    provisioned_concurrency:
      strategy: CONSTANT
      count: 20
    detached_mode:
      timeout: 1800
      on_success: {type: queue, ocid: ocid1.queue.oc1.iad.q, channel_id: team}
      on_failure: {type: notification, ocid: ocid1.onstopic.oc1.iad.t}
    freeform_tags: {team: data}
    defined_tags:
      Operations: {CostCenter: 42}
"""
APP = f"""\
name: app01
annotations:
  oracle.com/oci/subnetIds: [{SUBNET}]
  oracle.com/oci/freeformTags: {{team: data}}
  oracle.com/oci/definedTags: {{Operations: {{CostCenter: "42"}}}}
"""
P = "oracle.com/oci/"


def test_a_project_with_all_that_oci_has(home: Path, cloud: Cloud) -> None:
    use_oracle(cloud)
    fn("init", "--runtime", "python", "hello")
    path = home / "hello" / "func.yaml"
    path.write_text(path.read_text() + OF_OCI)
    (home / "hello" / "app.yaml").write_text(APP)
    done = fn("deploy", "--create-app", "hello")
    assert done.code == 0, done.err
    assert path.read_text().endswith(OF_OCI)
    (app,) = cloud.store.apps.values()
    assert app.document["freeformTags"] == {"team": "data"}
    assert app.document["definedTags"] == {"Operations": {"CostCenter": "42"}}
    (made,) = cloud.store.fns.values()
    held = made.document
    assert held["provisionedConcurrencyConfig"] == {"strategy": "CONSTANT", "count": 20}
    assert held["detachedModeTimeoutInSeconds"] == 1800
    assert held["successDestination"] == {
        "kind": "QUEUE", "queueId": "ocid1.queue.oc1.iad.q", "channelId": "team",
    }  # fmt: skip
    assert held["failureDestination"] == {"kind": "NOTIFICATION", "topicId": "ocid1.onstopic.oc1.iad.t"}
    assert held["freeformTags"].keys() == {"team", "nbfn-fingerprint"}
    assert held["definedTags"] == {"Operations": {"CostCenter": 42}}
    shown = json.loads(fn("inspect", "f", "app01", "hello", "annotations").out)
    assert shown[f"{P}freeformTags"] == {"team": "data"}
    assert shown[f"{P}provisionedConcurrencyCount"] == 20
    assert shown[f"{P}successDestinationChannelId"] == "team"
    assert shown[f"{P}failureDestinationKind"] == "NOTIFICATION"

    # Again: nothing differs. And tags that OCI or others gave stay when ours change.
    held["definedTags"]["Oracle-Tags"] = {"CreatedBy": "ana"}
    cloud.requests.clear()
    assert not nbfn.deploy_project("hello", bump=False).changed
    assert [seen.method for seen in cloud.requests if seen.method != "GET"] == []
    path.write_text(path.read_text().replace("count: 20", "count: 40").replace("42", "43"))
    assert nbfn.deploy_project("hello", bump=False).changed
    (made,) = cloud.store.fns.values()
    assert made.document["provisionedConcurrencyConfig"]["count"] == 40
    assert made.document["definedTags"] == {
        "Operations": {"CostCenter": 43},
        "Oracle-Tags": {"CreatedBy": "ana"},
    }


def test_what_oci_would_not_provision_is_not_sent(home: Path, cloud: Cloud) -> None:
    use_oracle(cloud)
    fn("init", "--runtime", "python", "hello")
    path = home / "hello" / "func.yaml"
    path.write_text(path.read_text() + OF_OCI.replace("count: 20", "count: 15"))
    (home / "hello" / "app.yaml").write_text(APP)
    done = fn("deploy", "--create-app", "hello")
    assert done.code == 1
    assert "at 256 MB OCI takes multiples of 20" in done.err
    assert [seen for seen in cloud.requests if seen.method != "GET"] == []


def test_at_home_they_are_not_asked_for(home: Path) -> None:
    fn("init", "--runtime", "python", "hello")
    path = home / "hello" / "func.yaml"
    path.write_text(path.read_text() + OF_OCI)
    assert fn("deploy", "--app", "a", "--create-app", "hello").code == 0
    assert P not in fn("inspect", "f", "a", "hello").out


@pytest.mark.parametrize("version", VERSIONS)
def test_annotations_by_hand(version: str, target_of: MakeTarget, cloud: Cloud) -> None:
    face = FnFace(target_of(api_version=version))
    app = face.post("/v2/apps", {"name": "app01", "annotations": {f"{P}freeformTags": {"a": "1"}}})
    assert app["annotations"][f"{P}freeformTags"] == {"a": "1"}
    app = face.put(f"/v2/apps/{app['id']}", {"annotations": {f"{P}freeformTags": {"b": "2"}}})
    assert app["annotations"][f"{P}freeformTags"] == {"b": "2"}
    told = {
        f"{P}provisionedConcurrencyStrategy": "CONSTANT",
        f"{P}provisionedConcurrencyCount": 40,
        f"{P}detachedModeTimeoutInSeconds": "60",
        f"{P}successDestinationKind": "STREAM",
        f"{P}successDestinationOcid": "ocid1.stream.oc1.iad.s",
        f"{P}definedTags": {"Operations": {"CostCenter": "42"}},
    }
    body = {"app_id": app["id"], "name": "f", "image": "iad.ocir.io/ns/f:1", "annotations": told}
    made = face.post("/v2/fns", body)
    assert {**told, f"{P}detachedModeTimeoutInSeconds": 60}.items() <= made["annotations"].items()
    cloud.requests.clear()
    face.put(f"/v2/fns/{made['id']}", {"annotations": told | {f"{P}detachedModeTimeoutInSeconds": 60}})
    assert [seen.method for seen in cloud.requests] == ["GET", "GET"], "there was nothing to change"
    off = {f"{P}provisionedConcurrencyStrategy": "NONE", f"{P}successDestinationKind": "NONE"}
    made = face.put(f"/v2/fns/{made['id']}", {"annotations": off})
    assert f"{P}provisionedConcurrencyStrategy" not in made["annotations"]
    assert f"{P}successDestinationKind" not in made["annotations"]
    with pytest.raises(LimitError, match="provisioned concurrency is 15"):
        face.put(f"/v2/fns/{made['id']}", {"annotations": {**told, f"{P}provisionedConcurrencyCount": 15}})


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"provisionedConcurrencyStrategy": "MUCH"}, "'MUCH'"),
        ({"provisionedConcurrencyStrategy": "CONSTANT"}, "has no oracle.com/oci/provisionedConcurrencyCount"),
        ({"provisionedConcurrencyCount": 40}, "has no oracle.com/oci/provisionedConcurrencyStrategy"),
        ({"detachedModeTimeoutInSeconds": "soon"}, "is 'soon'"),
        ({"detachedModeTimeoutInSeconds": 1.5}, "is 1.5"),
        ({"detachedModeTimeoutInSeconds": True}, "is True"),
        ({"successDestinationKind": "MAIL"}, "successDestination: destination 'mail'"),
        ({"failureDestinationKind": "STREAM"}, "failureDestination: destination 'stream' has no id"),
        ({"freeformTags": ["a"]}, "freeformTags is ['a']"),
        ({"freeformTags": {"a": {}}}, "{} is no text"),
        ({"definedTags": {"a": "b"}}, "is 'b'"),
    ],
)
def test_annotations_that_cannot_be(told: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        notes.extras_of({f"{P}{name}": value for name, value in told.items()})
    assert said in caught.value.message
