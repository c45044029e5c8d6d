"""The test server, as Oracle's own SDKs find it: what they can do with it, it does as OCI."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from nbfn.deploy.oci import make_archive
from tests.oci.functions import SPEC, captured, imaged
from tests.oci.parts import SDKS
from tests.oci.people import COMPARTMENT, SUBNET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.oci.server import Cloud

NAMES = ["greet", *(f"f{number:02}" for number in range(13))]


@pytest.mark.needs("oci-sdk")
@pytest.mark.parametrize("version", SDKS)
def test_a_session_of_the_sdk(version: str, cloud: Cloud, tmp_path: Path, state: Path) -> None:
    capture = captured()
    image, archive = imaged(cloud, state, capture), make_archive(SPEC, capture)
    asked = {
        "version": version, "endpoint": cloud.store.endpoint, "compartment": COMPARTMENT, "subnet": SUBNET,
        "config": str(cloud.person().write(tmp_path)),
        "image": f"{image.repository}:{image.tag}", "digest": image.digest,
        "archive": base64.b64encode(archive.source.data).decode(),
        "handler": archive.source.handler, "runtime": archive.source.runtime,
    }  # fmt: skip
    planned = [(429, "TooManyRequests"), (502, "BadGateway"), (504, "GatewayTimeout")]
    for status, code in planned:
        cloud.fail("GetApp", status, code)
    cloud.fail_work("UPDATE_APPLICATION", "InternalError", "no room")
    done = subprocess.run(
        [SDKS[version], "-B", "-m", "tests.oci.sdk_session"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told.pop("app") == ["sdk", "GENERIC_X86", {"LEVEL": "1"}]
    assert told.pop("twice") == [409, "NotAuthorizedOrResourceAlreadyExists"]
    assert told.pop("fn") == ["ACTIVE", 30, True]
    assert told.pop("stale") == [412, "NoEtagMatch"]
    assert told.pop("memory") == 512
    assert told.pop("bad memory") == [400, "InvalidParameter"]
    assert told.pop("listed") == sorted(NAMES)
    assert told.pop("by name") == [True]
    assert told.pop("missing") == [404, "NotAuthorizedOrNotFound"]
    assert told.pop("answer") == [200, '"Hello, Ana! sdk"', True]
    assert told.pop("warm") == "1"
    assert told.pop("detached") == 202
    served = ["Served function invocation request", "called for Ana", "Received function invocation request"]
    assert told.pop("logged") == [served[0], "called for None", served[2], *served]
    assert told.pop("counted") == [1.0, 1.0]
    assert told.pop("too large") == [413, "FunctionInvokeRequestContentTooLarge"]
    assert told.pop("planned") == [list(each) for each in planned]
    assert told.pop("raised") == [502, "FunctionInvokeExecutionFailed"]
    assert told.pop("in use") == [409, "Conflict"]
    assert told.pop("left") == 0
    assert told.pop("stranger") == [401, "NotAuthenticated"]
    if version == "20260325":
        assert told.pop("sha256") == archive.source.sha256
        assert told.pop("coded") == '"Hello, Bo! code"'
        assert told.pop("failed") == ["UPDATE_APPLICATION", "InternalError", "no room"]
        assert told.pop("kept") == {"LEVEL": "1"}
        works = told.pop("works")
        assert {status for _, status in works} == {"SUCCEEDED"}
        assert {kind for kind, _ in works} == {
            "CREATE_APPLICATION", "CREATE_FUNCTION", "UPDATE_FUNCTION",
            "DELETE_FUNCTION", "DELETE_APPLICATION",
        }  # fmt: skip
    assert told == {}
    prefixes = {seen.path.split("/")[1] for seen in cloud.requests}
    assert prefixes == {version, "20190909", "20180401"}
