"""Archives by way of Object Storage: there when they are needed, gone when not, and never half of one."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbfn
from nbfn.deploy.oci import make_archive, storage
from nbfn.deploy.oci.limits import ARCHIVE_MAX_BYTES, STORED_ARCHIVE_MAX_BYTES
from nbfn.deploy.oci.uploads import Uploads
from nbfn.errors import BadInput, Conflict, LimitError, NotFound, TargetError, TargetUnavailable, WorkFailed
from nbfn.spec import Limits
from nbfn.verbs.progress import Pushing
from tests.commands.fnline import fn
from tests.oci.functions import PRINT, SPEC, call, captured
from tests.oci.home import SUBNETS, at_oracle, use_oracle
from tests.oci.people import COMPARTMENT

if TYPE_CHECKING:
    from pathlib import Path

    from nbfn.deploy.oci.archive import Archive
    from nbfn.spec import Capture
    from tests.oci.conftest import MakeTarget
    from tests.oci.server import Cloud

NOISE = random.Random(1).randbytes(26 * 2**20)


@pytest.fixture(scope="module")
def large() -> tuple[Capture, Archive]:
    """One that OCI does not take directly."""
    capture = captured(files={"data/table.bin": NOISE})
    return capture, make_archive(SPEC, capture, stored=True)


def objects(cloud: Cloud) -> list[str]:
    return [name for bucket in cloud.objects.buckets.values() for name in bucket.objects]


@pytest.mark.needs("oci-sdk")
def test_a_large_archive_runs_and_leaves_nothing(
    large: tuple[Capture, Archive], target_of: MakeTarget, cloud: Cloud
) -> None:
    target, (capture, archive) = target_of(bucket="code"), large
    made = target.apply_archive(SPEC, archive, capture.fingerprint)
    assert call(target, made, capture, "Ana").value == "Hello, Ana! fast"
    (first,) = objects(cloud)
    assert first.startswith(f"nbfn/{made.app_id}/greet/")
    assert cloud.objects.buckets["code"].compartment == COMPARTMENT
    held = target.api.get(f"functions/{made.fn_id}").document["sourceDetails"]
    assert held["sourceCodeSha256"] == archive.source.sha256
    assert "archiveFile" not in str(held)

    cloud.requests.clear()
    assert not target.apply_archive(SPEC, archive, capture.fingerprint).changed
    assert target.apply_archive(
        replace(SPEC, limits=Limits(512, 30, 30)), archive, capture.fingerprint
    ).changed
    assert [seen.path for seen in cloud.requests if seen.path.startswith("/n")] == [], "it is there already"

    changed = captured(capture.source.replace("Hello", "Goodbye"), files=dict(capture.files))
    again = target.apply_archive(SPEC, make_archive(SPEC, changed, stored=True), changed.fingerprint)
    assert call(target, again, changed, "Ana").value == "Goodbye, Ana! fast"
    (second,) = objects(cloud)
    assert second != first
    small = captured(capture.source)
    target.apply_archive(SPEC, make_archive(SPEC, small), small.fingerprint)
    assert objects(cloud) == [], "one that is sent along needs no object"
    target.apply_archive(SPEC, archive, capture.fingerprint)
    assert target.remove("app01", "greet")
    assert objects(cloud) == []
    assert cloud.objects.uploads == {}
    assert cloud.refused == []


def test_a_refused_function_leaves_no_object(
    large: tuple[Capture, Archive], target_of: MakeTarget, cloud: Cloud
) -> None:
    target, (_, archive) = target_of(bucket="code"), large
    cloud.fail("CreateFunction", 400, "LimitExceeded")
    with pytest.raises(TargetError):
        target.apply_archive(SPEC, archive, PRINT)
    cloud.fail_work("CREATE_FUNCTION", "InvalidArchive", "no function folder")
    with pytest.raises(WorkFailed, match="no function folder"):
        target.apply_archive(SPEC, archive, PRINT)
    assert objects(cloud) == []
    # Nobody knows what a server that failed has done, so what it may have been made of stays.
    for _ in range(3):
        cloud.fail("CreateFunction", 503, "ServiceUnavailable")
    with pytest.raises(TargetUnavailable):
        target.apply_archive(SPEC, archive, PRINT)
    assert len(objects(cloud)) == 1


def test_an_upload_is_told_part_by_part(
    large: tuple[Capture, Archive], target_of: MakeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "PART_BYTES", 10_000_000)
    told: list[tuple[str, int, int]] = []
    said: list[str] = []
    pushing = Pushing(said.append)

    def tell(*step: Any) -> None:
        told.append(step)
        pushing(*step)

    size = len(large[1].source.data)
    target_of(bucket="code").apply_archive(SPEC, large[1], PRINT, progress=tell)
    assert told == [("upload", min(at, size), size) for at in range(10_000_000, size + 9_999_999, 10_000_000)]
    assert said[-1] == f"Uploading the code: {size / 1e6:.1f} of {size / 1e6:.1f} MB"


def test_an_upload_that_fails_is_given_up_whole(
    large: tuple[Capture, Archive], target_of: MakeTarget, cloud: Cloud
) -> None:
    target, (_, archive) = target_of(bucket="code"), large
    cloud.fail("UploadPart", 503, "ServiceUnavailable")
    cloud.fail("UploadPart", 429, "TooManyRequests", retry_after="0")
    assert target.apply_archive(SPEC, archive, PRINT).changed, "a part is sent again by itself"
    for operation in ("UploadPart", "CommitMultipartUpload"):
        cloud.fail(operation, 400, "UnmatchedContentMD5", "the computed MD5 does not match")
        with pytest.raises(TargetError, match=f"refused {operation}: the computed MD5"):
            target.apply_archive(replace(SPEC, name="other"), archive, PRINT)
    assert cloud.objects.uploads == {}
    assert len(objects(cloud)) == 1
    assert [each.name for each in target.list()] == ["greet"]


@pytest.mark.parametrize(
    ("operation", "statement"),
    [
        ("GetNamespace", "to read objectstorage-namespaces in tenancy"),
        ("CreateBucket", f"to manage buckets in compartment id {COMPARTMENT}"),
        ("CreateMultipartUpload", f"to manage objects in compartment id {COMPARTMENT}"),
    ],
)
def test_what_one_may_not(
    operation: str, statement: str, large: tuple[Capture, Archive], target_of: MakeTarget, cloud: Cloud
) -> None:
    cloud.denied.add(operation)
    with pytest.raises(NotFound, match=f"refused {operation}") as caught:
        target_of(bucket="code").apply_archive(SPEC, large[1], PRINT)
    assert f"Allow group YOUR-GROUP {statement}" in caught.value.hint
    assert sum(seen.path.rstrip("/").endswith(("/n", "/b", "/u")) for seen in cloud.requests) <= 3, (
        "once each"
    )
    assert cloud.store.fns == {}


def test_a_bucket_of_somebody_else(
    large: tuple[Capture, Archive], target_of: MakeTarget, cloud: Cloud
) -> None:
    cloud.objects.taken.add("code")
    with pytest.raises(Conflict, match="a bucket 'code' which this user may not see") as caught:
        target_of(bucket="code").apply_archive(SPEC, large[1], PRINT)
    assert "oracle.bucket" in caught.value.hint


def test_an_archive_that_functions_may_not_read(
    large: tuple[Capture, Archive], target_of: MakeTarget, cloud: Cloud
) -> None:
    cloud.fail("CreateFunction", 400, "RelatedResourceNotAuthorizedOrNotFound")
    with pytest.raises(TargetError) as caught:
        target_of(bucket="code").apply_archive(SPEC, large[1], PRINT)
    assert "Allow any-user to read objects in" in caught.value.hint
    assert "target.bucket.name='code'" in caught.value.hint


def test_what_cannot_be_removed_is_no_failure(
    large: tuple[Capture, Archive], target_of: MakeTarget, cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    target = target_of(bucket="code")
    target.apply_archive(SPEC, large[1], PRINT)
    cloud.fail("DeleteObject", 409, "ObjectLocked", "a retention rule holds it")
    assert target.remove("app01", "greet")
    assert "a retention rule holds it" in caplog.text


def test_without_a_bucket_nothing_is_sent(
    large: tuple[Capture, Archive], target_of: MakeTarget, cloud: Cloud
) -> None:
    with pytest.raises(LimitError, match=r"26\.0 MB, and OCI takes 25 MB directly") as caught:
        target_of().apply_archive(SPEC, large[1], PRINT)
    assert "oracle.bucket" in caught.value.hint
    assert cloud.requests == []
    with pytest.raises(BadInput, match="'ns/code' cannot name a bucket"):
        target_of(bucket="ns/code")


@given(st.integers(0, 2 * STORED_ARCHIVE_MAX_BYTES))
def test_sizes(size: int) -> None:
    takes = size <= ARCHIVE_MAX_BYTES
    if takes:
        Uploads(None).check(size)
    else:
        with pytest.raises(LimitError):
            Uploads(None).check(size)


def test_sizes_of_a_bucket(target_of: MakeTarget) -> None:
    uploads = target_of(bucket="code").uploads
    uploads.check(STORED_ARCHIVE_MAX_BYTES)
    with pytest.raises(LimitError, match="250 MB from a bucket"):
        uploads.check(STORED_ARCHIVE_MAX_BYTES + 1)


@pytest.mark.needs("oci-sdk")
def test_by_line(cloud: Cloud, tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with at_oracle(tmp_path, state, cloud, monkeypatch) as home:
        use_oracle(cloud)
        fn("create", "app", "app01", "--annotation", SUBNETS)
        fn("init", "--runtime", "python", "hello")
        (home / "hello" / "table.bin").write_bytes(NOISE)
        done = fn("deploy", "--app", "app01", "hello")
        assert done.code == 1
        assert "`nbfn update context oracle.bucket NAME`" in done.err
        nbfn.update_context("oracle.bucket", "code")
        done = fn("deploy", "--app", "app01", "hello")
        assert done.code == 0, done.err
        assert fn("invoke", "app01", "hello").out == '{"message": "Hello World"}'
        assert len(objects(cloud)) == 1
        assert fn("delete", "f", "app01", "hello").code == 0
        assert objects(cloud) == []
