"""Functions written with Fn's own FDKs, unchanged, run by the executor: in the sandbox and in Docker."""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest

from nbfn.containerize import Layout, dockerbuild
from tests.executor.functions import deploy
from tests.executor.test_process import endpoint, run, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from nbfn.spec import ImageRef

pytestmark = [
    pytest.mark.needs("docker", "toolchains", "root"),
]

FUNCTIONS = Path(__file__).with_name("functions")


@dataclass(frozen=True, slots=True)
class Fdk:
    """How a function of this FDK tells of itself."""

    language: str
    version: str
    """What ``Fn-Fdk-Version`` begins with."""
    raised: str
    """What the answer to a call says when the function raised."""


FDKS = (
    Fdk("python", "fdk-python/", "function failed"),
    Fdk("node", "fdk-node/", "function failed"),
    # It recovers from nothing: Go's HTTP server hangs up.
    Fdk("go", "fdk-go/", "error receiving function response"),
    Fdk("java", "fdk-java/", "function failed"),
)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return Layout(tmp_path_factory.mktemp("fdk-images"))


@pytest.fixture(scope="module", params=FDKS, ids=lambda fdk: fdk.language)
def fdk(request: pytest.FixtureRequest) -> Fdk:
    found: Fdk = request.param
    return found


@pytest.fixture(scope="module")
def image(layout: Layout, fdk: Fdk) -> ImageRef:
    """Built once by Docker; of later runs only the last steps, from its cache."""
    built = dockerbuild.build(dockerbuild.Wanted(fdk.language, FUNCTIONS / fdk.language), layout)
    return layout.put(built, f"nbfn.local/fdk/{fdk.language}")


@pytest.fixture(scope="module", params=["sandbox", "docker"])
def client(
    request: pytest.FixtureRequest, layout: Layout, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Of an executor with this driver."""
    state = tmp_path_factory.mktemp("s")
    (state / "images").symlink_to(layout.path)
    with serving(state, "--driver", request.param), endpoint(state).client(timeout=60) as client:
        yield client
        assert run(state, "stop").returncode == 0
    with contextlib.closing(docker.from_env()) as daemon:
        mark = hashlib.sha256(str(state).encode()).hexdigest()[:12]
        for found in daemon.images.list(f"nbfn.local/{mark}"):
            for tag in found.tags:
                if mark in tag:
                    daemon.images.remove(tag)


@pytest.fixture
def fn_id(client: httpx.Client, image: ImageRef, fdk: Fdk) -> str:
    return deploy(client, image, fdk.language, config={"NBFN_NETWORK": "none"})


def output(client: httpx.Client, fn_id: str) -> str:
    logs = client.get(f"/nbfn/v1/fns/{fn_id}/logs").json()["items"]
    return "".join(line["text"] for line in logs)


def test_a_call(client: httpx.Client, fn_id: str, fdk: Fdk) -> None:
    response = client.post(f"/invoke/{fn_id}", json={"name": "Ana"})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("application/json")
    assert response.headers["fn-fdk-version"].startswith(fdk.version)
    call_id = response.headers["fn-call-id"]
    assert response.json() == {"hello": "Ana", "app": "shop", "fn": fdk.language, "call": call_id}
    while "seen" not in output(client, fn_id):  # which comes by another way than the answer
        time.sleep(0.01)
    again = client.post(f"/invoke/{fn_id}", json={"name": "Bo"})
    assert again.json()["hello"] == "Bo"
    assert again.headers["nbfn-start"] == "warm"


def test_its_own_headers_and_type(client: httpx.Client, fn_id: str) -> None:
    response = client.post(f"/invoke/{fn_id}", json={"act": "text"}, headers={"X-Word": "grüß".encode()})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-answer"] == "yes"
    assert response.text.startswith("word: gr")


def test_through_a_trigger(client: httpx.Client, fn_id: str, fdk: Fdk) -> None:
    """It sees a request as a web server does, and answers with a status and a header of its own."""
    app_id = client.get(f"/v2/fns/{fn_id}").json()["app_id"]
    wanted = {"name": fdk.language, "type": "http", "source": f"/{fdk.language}/x", "app_id": app_id}
    made = client.post("/v2/triggers", json={**wanted, "fn_id": fn_id}).raise_for_status().json()
    url = made["annotations"]["fnproject.io/trigger/httpEndpoint"] + "?a=1"
    response = client.put(url, json={"act": "gateway"}, headers={"X-Word": "go"})
    assert (response.status_code, response.headers["x-answer"]) == (203, "yes"), response.text
    assert response.headers["content-type"].startswith("application/json")
    assert response.json() == {"method": "PUT", "url": url, "word": "go"}
    assert not [name for name in response.headers if name.startswith("fn-http-")]
    raised = client.post(url, json={"act": "raise"})
    assert raised.status_code == 502
    assert raised.json()["message"].startswith(fdk.raised)


def test_a_function_that_raises(client: httpx.Client, fn_id: str, fdk: Fdk) -> None:
    response = client.post(f"/invoke/{fn_id}", json={"act": "raise"})
    assert response.status_code == 502
    assert response.json()["message"].startswith(fdk.raised)
    assert client.post(f"/invoke/{fn_id}", json={"name": "Ana"}).status_code == 200
