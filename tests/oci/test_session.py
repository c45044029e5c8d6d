"""From an empty compartment to a called function and back, against each version, by image and by archive."""

from __future__ import annotations

import base64
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nbfn.deploy.oci import Destination, Extras, make_archive
from nbfn.deploy.oci.invoke import invoke
from nbfn.errors import BadInput, NotFound
from nbfn.spec import Limits
from tests.oci.functions import SPEC, call, captured, imaged

if TYPE_CHECKING:
    from pathlib import Path

    from nbfn.deploy.oci import OciTarget
    from nbfn.spec import Capture, Deployment
    from tests.oci.conftest import MakeTarget
    from tests.oci.server import Cloud


def check_calls(target: OciTarget, made: Deployment, capture: Capture) -> None:
    """The remote report comes through: cold and warm, output, values by sealed pickle, tracebacks."""
    first, second = call(target, made, capture, "Ana"), call(target, made, capture, "set")
    assert first.value == "Hello, Ana! fast"
    assert (first.start, first.output, first.calls_served) == ("cold", "called for Ana\n", 0)
    assert (second.start, second.value, second.calls_served) == ("warm", {1, 2}, 1)
    assert second.instance_id == first.instance_id
    assert first.call_id
    failed = call(target, made, capture, "raise")
    assert isinstance(failed.error, ValueError)
    frames = traceback.extract_tb(failed.error.__traceback__)
    assert 'raise ValueError("no such name")' in capture.source.splitlines()[(frames[-1].lineno or 0) - 1]


@pytest.mark.parametrize("version", ["20260325", "20181201"])
def test_an_image(version: str, target_of: MakeTarget, cloud: Cloud, state: Path) -> None:
    target, capture = target_of(api_version=version), captured()
    app = target.create_application("app01", config={"LEVEL": "1"})
    assert [each["id"] for each in target.applications()] == [app["id"]]
    image = imaged(cloud, state, capture)
    made = target.apply(SPEC, image, capture.fingerprint)
    assert (made.app_id, made.changed) == (app["id"], True)
    assert [(each.name, each.image) for each in target.list("app01")] == [("greet", str(image))]
    check_calls(target, made, capture)

    plain = invoke(target.client, made.url, b'{"name": "Bo"}', explain=target.explain, deployment=made)
    assert (plain.status, plain.body) == (200, b'"Hello, Bo! fast"')
    later = invoke(target.client, made.url, b'"Cy"', explain=target.explain, deployment=made, kind="detached")
    assert (later.status, later.body) == (202, b"")
    assert later.call_id
    assert cloud.detached_done.acquire(timeout=60)
    assert cloud.detached.pop() == ("greet", 200)
    dry = invoke(target.client, made.url, b"", explain=target.explain, deployment=made, is_dry_run=True)
    assert (dry.status, dry.body) == (200, b"")

    changed = captured(capture.source.replace("Hello", "Goodbye"))
    wanted = replace(SPEC, limits=Limits(512, 60, 30))
    again = target.apply(wanted, imaged(cloud, state, changed), changed.fingerprint)
    assert (again.fn_id, again.key, again.changed) == (made.fn_id, made.key, True)
    result = call(target, again, changed, "Ana")
    assert (result.value, result.start) == ("Goodbye, Ana! fast", "cold")

    target.update_application(app["id"], {"config": {"LEVEL": "2"}})
    assert next(target.applications())["id"] == app["id"]
    assert target.remove("app01", "greet")
    with pytest.raises(NotFound):
        call(target, again, changed, "Ana")
    target.delete_application(app["id"])
    assert list(target.applications()) == []
    assert cloud.refused == []


@pytest.mark.needs("oci-sdk")
def test_an_archive_on_fns_own_fdk(target_of: MakeTarget, cloud: Cloud, state: Path) -> None:
    target, capture = target_of(), captured()
    archive = make_archive(SPEC, capture)
    made = target.apply_archive(SPEC, archive, capture.fingerprint)
    assert made.changed
    assert not target.apply_archive(SPEC, make_archive(SPEC, capture), capture.fingerprint).changed
    check_calls(target, made, capture)
    plain = invoke(target.client, made.url, b'{"name": "Bo"}', explain=target.explain, deployment=made)
    assert plain.body == b'"Hello, Bo! fast"'

    changed = captured(capture.source.replace("Hello", "Goodbye"))
    again = target.apply_archive(SPEC, make_archive(SPEC, changed), changed.fingerprint)
    assert (again.fn_id, again.key) == (made.fn_id, made.key)
    assert call(target, again, changed, "Ana").value == "Goodbye, Ana! fast"
    assert target.inspect("app01", "greet").image.startswith("archive python3")
    with pytest.raises(BadInput, match="is made of an archive, not of an image"):
        target.apply(SPEC, imaged(cloud, state, capture), capture.fingerprint)


@pytest.mark.needs("oci-sdk")
def test_an_archive_that_yields_answers_in_one_piece(target_of: MakeTarget) -> None:
    target = target_of()
    capture = captured(
        """
        def greet(name):
            print("called")
            for greeting in ("Hello", "Goodbye"):
                yield f"{greeting}, {name}!"
        """
    )
    made = target.apply_archive(SPEC, make_archive(SPEC, capture), capture.fingerprint)
    plain = invoke(target.client, made.url, b'"Ana"', explain=target.explain, deployment=made)
    assert plain.body == b"Hello, Ana!Goodbye, Ana!"
    assert plain.content_type.startswith("text/plain")
    assert base64.b64decode(plain.headers["nbfn-output"]) == b"called\n"


def test_what_oci_alone_has_is_set_and_kept(target_of: MakeTarget, cloud: Cloud, state: Path) -> None:
    target, capture = target_of(), captured()
    image = imaged(cloud, state, capture)
    extras = Extras(
        provisioned_units=20,
        detached_timeout_s=3600,
        on_success=Destination("queue", "ocid1.queue.oc1.iad.q"),
        on_failure=Destination("stream", "ocid1.stream.oc1.iad.s"),
        freeform_tags={"team": "a"},
        defined_tags={"ns": {"k": "v"}},
        is_traced=True,
    )
    made = target.apply(SPEC, image, capture.fingerprint, extras=extras)
    assert not target.apply(SPEC, image, capture.fingerprint, extras=extras).changed
    assert not target.apply(SPEC, image, capture.fingerprint).changed
    held = target.api.get(f"functions/{made.fn_id}").document
    assert held["provisionedConcurrencyConfig"] == {"strategy": "CONSTANT", "count": 20}
    assert held["detachedModeTimeoutInSeconds"] == 3600
    assert held["successDestination"] == {"kind": "QUEUE", "queueId": "ocid1.queue.oc1.iad.q"}
    assert held["failureDestination"] == {"kind": "STREAM", "streamId": "ocid1.stream.oc1.iad.s"}
    assert held["freeformTags"]["team"] == "a"
    assert held["definedTags"] == {"ns": {"k": "v"}}
    assert target.apply(SPEC, image, capture.fingerprint, extras=Extras(provisioned_units=0)).changed


def test_a_change_sends_what_differs(target_of: MakeTarget, cloud: Cloud, state: Path) -> None:
    target, capture = target_of(), captured()
    image = imaged(cloud, state, capture)
    target.apply(SPEC, image, capture.fingerprint)
    target.apply(replace(SPEC, limits=Limits(1024, 30, 30)), image, capture.fingerprint)
    sent = next(seen for seen in cloud.requests if seen.method == "PUT")
    assert sent.body == b'{"memoryInMBs":1024}'
    assert sent.headers["if-match"]
