"""What the README says of plain HTTP: ``nbfn serve``, then curl with the token lists and invokes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import nbfn
from nbfn import config
from nbfn.session import Session, use

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def served(state: Path) -> Iterator[str]:
    """An executor in the foreground, as the README starts it; gives its address."""
    settings = config.load({"NBFN_STATE": str(state)})
    server = subprocess.Popen(
        [sys.executable, "-m", "nbfn", "serve", "--state", str(state), "--port", "0"],
        env=config.environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert server.stdout is not None
        said = server.stdout.readline()
        assert "http://127.0.0.1:" in said, said
        note = json.loads((state / "executor.json").read_text())
        yield note["url"]
    finally:
        server.terminate()
        server.communicate(timeout=20)
    assert server.returncode == 0
    assert not (state / "executor.sock").exists()


def curl(url: str, token: str, *more: str) -> tuple[int, str]:
    done = subprocess.run(
        ["curl", "-sS", "-w", "\n%{http_code}", "-H", f"Authorization: Bearer {token}", *more, url],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


@pytest.mark.needs("curl")
def test_curl_lists_and_invokes_with_the_token_and_nobody_does_without(served: str, state: Path) -> None:
    with Session(config.load({"NBFN_STATE": str(state)})) as session:
        use(session)

        def greet(name: str) -> dict[str, str]:
            return {"greeting": f"Hello, {name}!"}

        deployed = nbfn.deploy(greet, memory=128)
        token = (state / "token").read_text().strip()

        status, body = curl(f"{served}/v2/apps?name=notebook", token)
        (app,) = json.loads(body)["items"]
        assert status == 200
        status, body = curl(f"{served}/v2/fns?app_id={app['id']}", token)
        (function,) = json.loads(body)["items"]
        assert (status, function["name"], function["memory"]) == (200, "greet", 128)

        endpoint = function["annotations"]["fnproject.io/fn/invokeEndpoint"]
        assert endpoint == deployed.url == f"{served}/invoke/{function['id']}"
        json_body = ("-H", "Content-Type: application/json", "-d", '{"name": "Ana"}')
        assert curl(endpoint, token, *json_body) == (200, '{"greeting":"Hello, Ana!"}')

        status, body = curl(endpoint, token, "-d", "not json")
        assert status == 502
        assert "not JSON" in json.loads(body)["message"]
        assert curl(endpoint, "wrong", *json_body)[0] == 401
