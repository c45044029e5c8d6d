"""Everything that OCI refuses or fails at surfaces as an error of its own, with a next step."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.deploy.oci import Destination, Extras, limits
from nbfn.errors import (
    BadInput,
    Changed,
    Conflict,
    LimitError,
    LimitReached,
    NotAuthenticated,
    NotFound,
    RequestTooLarge,
    TargetError,
    TargetUnavailable,
    Throttled,
    WorkFailed,
)
from nbfn.spec import ImageRef, Limits
from tests.oci.broken import hanging_up
from tests.oci.functions import IMAGE, PRINT, SPEC
from tests.oci.people import COMPARTMENT, Person, a_key

if TYPE_CHECKING:
    from pathlib import Path

    from tests.oci.conftest import MakeTarget
    from tests.oci.server import Cloud


# -- the control plane -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "status", "code", "kind", "words"),
    [
        ("CreateFunction", 400, "LimitExceeded", LimitReached, "service limit"),
        ("CreateFunction", 400, "QuotaExceeded", LimitReached, "administrator"),
        (
            "CreateFunction",
            400,
            "RelatedResourceNotAuthorizedOrNotFound",
            TargetError,
            "read repos in tenancy",
        ),
        ("CreateFunction", 413, "PayloadTooLarge", RequestTooLarge, "25 MB"),
        ("CreateFunction", 501, "MethodNotImplemented", TargetUnavailable, "this region"),
        ("CreateApp", 400, "InvalidParameter", TargetError, ""),
    ],
)
def test_refusals(
    target_of: MakeTarget,
    cloud: Cloud,
    operation: str,
    status: int,
    code: str,
    kind: type[TargetError],
    words: str,
) -> None:
    cloud.fail(operation, status, code, "as planned")
    with pytest.raises(kind, match="as planned") as caught:
        target_of().apply(SPEC, IMAGE, PRINT)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.code) == (status, code)
    assert words in error.hint
    assert len(error.request_id) == 32


def test_401_an_unknown_key(target_of: MakeTarget, cloud: Cloud, tmp_path: Path) -> None:
    stranger = Person(a_key("stranger")).write(tmp_path / "stranger")
    with pytest.raises(NotAuthenticated, match="refused ListApp") as caught:
        target_of(config_file=stranger).list()
    assert "API keys" in caught.value.hint
    assert len(cloud.requests) == 1


def test_401_a_wrong_clock(target_of: MakeTarget, cloud: Cloud) -> None:
    cloud.fail("ListApp", 401, "NotAuthenticated")
    cloud.clock_offset_s = 3600
    with pytest.raises(NotAuthenticated) as caught:
        target_of().list()
    assert "60 minutes behind" in caught.value.hint


def test_404_without_a_policy(target_of: MakeTarget, cloud: Cloud) -> None:
    target = target_of()
    target.create_application("app01")
    cloud.denied.add("CreateFunction")
    with pytest.raises(NotFound) as caught:
        target.apply(SPEC, IMAGE, PRINT)
    assert (
        f"Allow group YOUR-GROUP to manage fn-function in compartment id {COMPARTMENT}" in caught.value.hint
    )
    assert "(us-ashburn-1)" in caught.value.hint


def test_409_a_name_that_is_taken_and_an_application_in_use(target_of: MakeTarget) -> None:
    target = target_of()
    made = target.apply(SPEC, IMAGE, PRINT)
    with pytest.raises(Conflict) as caught:
        target.create_application(SPEC.app)
    assert type(caught.value) is Conflict
    assert "name is taken" in caught.value.hint
    with pytest.raises(Conflict, match="still has functions"):
        target.delete_application(made.app_id)


def test_409_not_now_is_tried_again(target_of: MakeTarget, cloud: Cloud) -> None:
    cloud.fail("CreateFunction", 409, "IncorrectState", retry_after="0")
    assert target_of().apply(SPEC, IMAGE, PRINT).changed
    for _ in range(3):
        cloud.fail("DeleteFunction", 409, "IncorrectState")
    with pytest.raises(Conflict) as caught:
        target_of().remove(SPEC.app, SPEC.name)
    assert "being changed" in caught.value.hint


def test_412_somebody_elses_change_is_seen(target_of: MakeTarget, cloud: Cloud) -> None:
    target = target_of()
    made = target.apply(SPEC, IMAGE, PRINT)
    path = f"functions/{made.fn_id}"
    etag = target.api.get(path).etag
    target.api.put(path, {"memoryInMBs": 512}, etag)
    with pytest.raises(Changed, match="if-match") as caught:
        target.api.put(path, {"memoryInMBs": 1024}, etag)
    assert "read it again" in caught.value.hint
    # A deployment looks again by itself, as often as makes sense.
    cloud.fail("UpdateFunction", 412, "NoEtagMatch")
    assert target.apply(SPEC, IMAGE, PRINT).changed
    for _ in range(4):
        cloud.fail("UpdateFunction", 412, "NoEtagMatch")
    with pytest.raises(Changed):
        target.apply(replace(SPEC, limits=Limits(1024, 30, 30)), IMAGE, PRINT)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(429, "TooManyRequests", Throttled), (503, "ServiceUnavailable", TargetUnavailable)],
)
def test_what_passes_is_waited_for(
    target_of: MakeTarget, cloud: Cloud, status: int, code: str, kind: type[TargetError]
) -> None:
    for _ in range(2):
        cloud.fail("ListApp", status, code)
    assert target_of().list() == []
    for _ in range(3):
        cloud.fail("ListApp", status, code)
    with pytest.raises(kind) as caught:
        target_of().list()
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert caught.value.hint


@pytest.mark.parametrize(
    "operation", ["CREATE_APPLICATION", "CREATE_FUNCTION", "UPDATE_FUNCTION", "DELETE_FUNCTION"]
)
def test_work_that_fails_later(target_of: MakeTarget, cloud: Cloud, operation: str) -> None:
    target = target_of()
    if operation.startswith(("UPDATE", "DELETE")):
        target.apply(SPEC, IMAGE, PRINT)
    text = (
        "Function's image architecture 'arm' is incompatible with the application's shape type 'GENERIC_X86'"
    )
    cloud.fail_work(operation, "InvalidImage", text)
    deletes, larger = operation.startswith("DELETE"), replace(SPEC, limits=Limits(512, 30, 30))
    with pytest.raises(WorkFailed, match="was accepted and then failed: Function's image arch") as caught:
        target.remove(SPEC.app, SPEC.name) if deletes else target.apply(larger, IMAGE, PRINT)
    assert caught.value.code == "InvalidImage"
    assert caught.value.problems == (f"InvalidImage: {text}",)
    assert "--platform linux/amd64" in caught.value.hint


def test_work_that_fails_for_no_reason_that_is_known(target_of: MakeTarget, cloud: Cloud) -> None:
    target = target_of()
    target.apply(SPEC, IMAGE, PRINT)
    cloud.fail_work("UPDATE_FUNCTION", "InternalError", "it is gone")
    with pytest.raises(WorkFailed, match=r"failed: it is gone \(InternalError\)") as caught:
        target.apply(replace(SPEC, limits=Limits(512, 30, 30)), IMAGE, PRINT)
    assert "`nbfn inspect function APP FUNCTION`" in caught.value.hint


def test_an_image_for_another_processor(target_of: MakeTarget, cloud: Cloud) -> None:
    cloud.store.architectures[IMAGE.digest] = "arm"
    with pytest.raises(TargetError, match="incompatible") as caught:
        target_of().apply(SPEC, IMAGE, PRINT)
    assert "GENERIC_X86 takes amd64" in caught.value.hint


def test_nobody_there(target_of: MakeTarget) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: refused
        target = target_of(endpoint=f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(TargetUnavailable, match="cannot be reached for ListApp") as caught:
            target.list()
    assert "region" in caught.value.hint


def test_a_connection_that_breaks_is_tried_again_for_reading_alone(target_of: MakeTarget) -> None:
    with hanging_up() as (url, came):
        target = target_of(endpoint=url)
        with pytest.raises(TargetUnavailable, match="did not answer ListApp"):
            target.list()
        assert came == [b"GET"] * 3
        came.clear()
        with pytest.raises(TargetUnavailable, match="did not answer CreateApp") as caught:
            target.create_application("app01")
        assert came == [b"POST"]
        assert "may have been done" in caught.value.hint


def test_another_service_is_told_apart(target_of: MakeTarget, cloud: Cloud) -> None:
    cloud.fail("ListApp", 404, "NotFound", "No such route")
    with pytest.raises(NotFound) as caught:
        target_of().list()
    assert "is the endpoint that of OCI Functions" in caught.value.hint


# -- checked before anything is sent -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "config", "extras", "words"),
    [
        (Limits(300, 30, 30), {}, Extras(), "next larger one is 512"),
        (Limits(4096, 30, 30), {}, Extras(), "largest is 3072"),
        (Limits(), {}, Extras(detached_timeout_s=3601), "5 to 3600"),
        (Limits(), {}, Extras(detached_timeout_s=4), "5 to 3600"),
        (Limits(128, 30, 30), {}, Extras(provisioned_units=20), "multiples of 40"),
        (Limits(1024, 30, 30), {}, Extras(provisioned_units=15), "multiples of 10"),
        (Limits(), {}, Extras(freeform_tags={f"t{n}": "" for n in range(10)}), "at most 9"),
        (Limits(), {}, Extras(defined_tags={"ns": {f"t{n}": "" for n in range(65)}}), "64"),
        (Limits(), {}, Extras(freeform_tags={"a b": "1"}), "without spaces and periods"),
        (Limits(), {}, Extras(defined_tags={"ns": {"k": "x" * 257}}), "256"),
        (Limits(), {"BIG": "x" * 4030}, Extras(), "4096"),
        (Limits(), {"A-B": "1"}, Extras(), "letters, digits"),
        (Limits(), {"A": "a\nb"}, Extras(), "printable"),
        (Limits(), {"OCI_TRACING_ENABLED": "1"}, Extras(), "another name"),
        (Limits(), {"NBFN_KEY": "1"}, Extras(), "another name"),
    ],
)
def test_limits(
    target_of: MakeTarget, cloud: Cloud, limits: Limits, config: dict[str, str], extras: Extras, words: str
) -> None:
    with pytest.raises((LimitError, BadInput)) as caught:
        target_of().apply(replace(SPEC, limits=limits, config=config), IMAGE, PRINT, extras=extras)
    assert words in caught.value.hint
    assert cloud.requests == []


@pytest.mark.parametrize(
    ("image", "settings", "words"),
    [
        (replace(IMAGE, repository="phx.ocir.io/ns/x"), {}, "push it to iad.ocir.io"),
        (
            replace(IMAGE, repository="ocir.eu-frankfurt-1.oci.oraclecloud.com/ns/x"),
            {},
            "push it to iad.ocir.io",
        ),
        (replace(IMAGE, tag=""), {}, "REPOSITORY:TAG"),
        (replace(IMAGE, repository="nbfn.local/a/b"), {"endpoint": ""}, "push the image to iad.ocir.io"),
        (replace(IMAGE, repository="docker.io/a/b"), {"endpoint": ""}, "deploy an archive"),
    ],
)
def test_images_that_cannot_be_pulled(
    target_of: MakeTarget, cloud: Cloud, image: ImageRef, settings: dict[str, str], words: str
) -> None:
    with pytest.raises(BadInput) as caught:
        target_of(**settings).apply(SPEC, image, PRINT)
    assert words in caught.value.hint
    assert cloud.requests == []


def test_an_application_needs_a_subnet(target_of: MakeTarget) -> None:
    with pytest.raises(BadInput, match="making it needs a subnet"):
        target_of(subnet_ids=()).apply(SPEC, IMAGE, PRINT)


def test_a_destination_of_no_kind() -> None:
    with pytest.raises(BadInput, match="email"):
        Destination("email", "x")
    with pytest.raises(BadInput, match="'stream' has a channel"):
        Destination("stream", "x", "c")


@given(
    st.dictionaries(st.text(st.characters(codec="ascii"), max_size=110), st.text(max_size=300), max_size=12),
    st.dictionaries(
        st.sampled_from("ab"), st.dictionaries(st.from_regex(r"[a-z]{3}", fullmatch=True), st.text())
    ),
)
def test_tags_are_taken_or_refused_by_what_oci_keeps(
    freeform: dict[str, str], defined: dict[str, dict[str, str]]
) -> None:
    keys = [*freeform, *(key for tags in defined.values() for key in tags)]
    values = [*freeform.values(), *(value for tags in defined.values() for value in tags.values())]
    taken = (
        len(freeform) <= 9
        and sum(map(len, defined.values())) <= 64
        and all(0 < len(key) <= 100 and key.isprintable() and not {" ", "."} & set(key) for key in keys)
        and all(len(value) <= 256 for value in values)
    )
    if taken:
        limits.check_tags(freeform, defined)
    else:
        with pytest.raises(BadInput):
            limits.check_tags(freeform, defined)


@pytest.mark.parametrize(
    ("operation", "statement"), [("SearchLogs", "read log-content"), ("SummarizeMetrics", "read metrics")]
)
def test_what_one_may_not_watch(target_of: MakeTarget, cloud: Cloud, operation: str, statement: str) -> None:
    cloud.denied.add(operation)
    target = target_of()
    with pytest.raises(NotFound, match=f"refused {operation}") as caught:
        list(target.logs("ocid1.fnfunc.x")) if operation == "SearchLogs" else target.counts("ocid1.fnfunc.x")
    assert f"Allow group YOUR-GROUP to {statement} in compartment id {COMPARTMENT}" in caught.value.hint
