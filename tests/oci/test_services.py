"""Object Storage and Artifacts: Oracle's clients take the test server for them, and send what nbfn sends."""

from __future__ import annotations

import json
import random
import re
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

from nbfn.deploy.oci import make_archive
from nbfn.deploy.oci.storage import PART_BYTES
from tests.oci.functions import SPEC, captured
from tests.oci.parts import SDKS
from tests.oci.people import COMPARTMENT, SUBNET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.oci.conftest import MakeTarget
    from tests.oci.server import Cloud, Seen

_OBJECT = re.compile(r"nbfn%2F[^/?]+\.zip|nbfn/[^?\"]+\.zip")


def asked_of(requests: list[Seen]) -> list[tuple[str, str, list[tuple[str, str]], Any]]:
    """Method, path, query and JSON of each request, without what is made anew each time."""
    found = []
    for seen in requests:
        path, _, query = _OBJECT.sub("OBJECT", seen.path).partition("?")
        body = json.loads(_OBJECT.sub("OBJECT", seen.body.decode())) if _is_json(seen) else len(seen.body)
        pairs = [(name, "ID" if name == "uploadId" else value) for name, value in parse_qsl(query)]
        if isinstance(body, dict) and "partsToCommit" in body:
            body["partsToCommit"] = [each["partNum"] for each in body["partsToCommit"]]
        found.append((seen.method, path.rstrip("/"), sorted(pairs), body))
    return found


def _is_json(seen: Seen) -> bool:
    return bool(seen.body) and seen.body[:1] == b"{"


@pytest.mark.needs("oci-sdk")
def test_what_we_send_is_what_the_sdk_sends(cloud: Cloud, target_of: MakeTarget, tmp_path: Path) -> None:
    large = captured(files={"data/table.pickle": random.Random(1).randbytes(26 * 2**20)})
    archive = make_archive(SPEC, large, stored=True)
    path = tmp_path / "large.zip"
    path.write_bytes(archive.source.data)
    asked = {
        "endpoint": cloud.store.endpoint, "compartment": COMPARTMENT, "subnet": SUBNET, "bucket": "code",
        "config": str(cloud.person().write(tmp_path / "sdk")), "archive": str(path),
        "object": "nbfn/ocid1.fnapp.x/greet/0123.zip", "part_bytes": PART_BYTES,
        "handler": archive.source.handler, "runtime": archive.source.runtime,
    }  # fmt: skip
    done = subprocess.run(
        [SDKS["20260325"], "-B", "-m", "tests.oci.sdk_services"],
        input=json.dumps(asked), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told.pop("none") == 0
    assert told.pop("repository") == ["team/hello", "AVAILABLE", False, True]
    assert told.pop("again") == [409, "NAMESPACE_CONFLICT"]
    assert told.pop("found") == [1, [True]]
    assert told.pop("repositories") == 13
    assert told.pop("namespace") == "ns"
    assert told.pop("no bucket") == [404, [404, "BucketNotFound"]]
    assert told.pop("bucket") == "code"
    assert told.pop("bucket again") == [409, "BucketAlreadyExists"]
    assert told.pop("small") == "5"
    assert told.pop("gone") == [404, "ObjectNotFound"]
    assert told.pop("large") == told.pop("managed") == str(archive.size)
    assert told.pop("no object") == [400, "RelatedResourceNotAuthorizedOrNotFound"]
    assert told.pop("sha256") == archive.source.sha256
    assert told.pop("where") == ["OBJECT_STORAGE_ARCHIVE", True]
    assert told == {}
    assert cloud.refused == []

    theirs = asked_of(cloud.requests)
    endpoint = cloud.store.endpoint
    cloud.reset()
    assert cloud.store.endpoint == endpoint
    target = target_of(bucket="code", image_compartment_id=COMPARTMENT)
    target.prepare("iad.ocir.io/ns/team/hello:1")
    target.create_application(SPEC.app)
    target.apply_archive(SPEC, archive, large.fingerprint)
    ours = [each for each in asked_of(cloud.requests) if each[1].startswith(("/n", "/20160918"))]
    assert {(method, path) for method, path, _, _ in ours} == {
        ("GET", "/20160918/container/repositories"), ("POST", "/20160918/container/repositories"),
        ("GET", "/n"), ("HEAD", "/n/ns/b/code"), ("POST", "/n/ns/b"), ("POST", "/n/ns/b/code/u"),
        ("PUT", "/n/ns/b/code/u/OBJECT"), ("POST", "/n/ns/b/code/u/OBJECT"),
    }  # fmt: skip
    for each in ours:
        assert each in theirs
