"""The description of the control plane is true, and nothing made from it finds an error of the executor's."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from nbfn.executor import openapi
from tests.executor.test_process import endpoint, note_of, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

DATA_PLANE = {"/invoke/{fn_id}", "/t/{app_name}/{source}"}


@pytest.mark.anyio
async def test_it_describes_every_route_and_no_other(executor: Executor) -> None:
    async with executor() as running:
        published = (await running.client.get("/nbfn/v1/openapi.json")).json()
        described = {
            (path, method.upper())
            for path, operations in published["paths"].items()
            for method in operations
            if method != "parameters" and path not in DATA_PLANE
        }
        assert described == set(running.parts.routes)
        assert set(published["paths"]) >= DATA_PLANE


def test_what_it_refers_to_is_there() -> None:
    document = openapi.description()
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name
    assert text.count("$ref") == text.count('"#/components/schemas/')


CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def ask_everything(state: Path, document: dict[str, Any], *options: str) -> None:
    """Let schemathesis make requests from ``document``: of all routes that end, and end nothing."""
    (state / "openapi.json").write_text(json.dumps(document))
    command = [sys.executable, "-m", "schemathesis.cli", "run", state / "openapi.json"]
    command += ["--url", note_of(state)["url"], "-H", f"Authorization: Bearer {endpoint(state).token}"]
    command += ["--exclude-path-regex", "^/(invoke|t)/|/(lease|events|stop)$", "--warnings", "off"]
    command += ["--seed", "1", "--no-shrink", "--generation-database", "none", *options]
    found = subprocess.run(command, capture_output=True, text=True, cwd=state, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_requests_made_from_it_find_no_error_of_the_executors(state: Path) -> None:
    """Schemathesis asks for whatever the description allows, and for what it does not."""
    with serving(state, "--port", "0"), endpoint(state).client() as client:
        app = client.post("/v2/apps", json={"name": "shop"}).json()
        client.post("/v2/fns", json={"name": "f", "app_id": app["id"], "image": "it"}).raise_for_status()
        published = client.get("/nbfn/v1/openapi.json").json()
        phases = ("--phases", "examples,coverage,fuzzing,stateful", "-n", "8", "--max-time", "20")
        ask_everything(state, published, "--checks", CHECKS, *phases)
        assert client.get("/version").status_code == 200


class _Known(dict[str, str]):
    """Leaves what it does not know as it is."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


def test_what_it_forbids_is_refused(state: Path) -> None:
    """Of objects that are there, too: what is not there is refused whatever else is asked of it."""
    with serving(state, "--port", "0"), endpoint(state).client() as client:
        app = client.post("/v2/apps", json={"name": "shop"}).json()
        fn = client.post("/v2/fns", json={"name": "f", "app_id": app["id"], "image": "it"}).json()
        way = {"name": "t", "app_id": app["id"], "fn_id": fn["id"], "type": "http", "source": "/x"}
        trigger_id = client.post("/v2/triggers", json=way).json()["id"]
        ids = {"app_id": app["id"], "fn_id": fn["id"], "trigger_id": trigger_id}
        published = client.get("/nbfn/v1/openapi.json").json()
        published["paths"] = {
            path.format_map(_Known(ids)): {
                **operations,
                "parameters": [each for each in operations.get("parameters", ()) if each["name"] not in ids],
            }
            for path, operations in published["paths"].items()
        }
        forbidding = ("--mode", "negative", "--phases", "coverage", "--exclude-method", "DELETE")
        ask_everything(state, published, "--checks", f"{CHECKS},negative_data_rejection", *forbidding)
        assert client.get(f"/v2/triggers/{trigger_id}").status_code == 200
