"""Clients of an executor: its socket, its token, and nothing of the environment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from nbfn.transport import Endpoint
from tests.runtime.instance import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = """
def greet(ctx, data):
    headers = ctx.Headers()
    return {"auth": headers.get("authorization"), "host": headers["host"], "x": headers.get("x")}
"""


@pytest.fixture
def endpoint(state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with running(state, SOURCE, style="context") as instance:
        yield Endpoint("http://localhost:8080", instance.socket, "token")


def test_both_clients(endpoint: Endpoint) -> None:
    expected = {"auth": "Bearer token", "host": "localhost:8080", "x": "y"}
    with endpoint.client(headers={"X": "y"}) as client:
        assert client.post("/call").json() == expected
        assert client.post("http://localhost:8080/call").json() == expected

    async def ask() -> object:
        async with endpoint.async_client(headers={"X": "y"}, timeout=5.0) as client:
            return (await client.post("/call")).json()

    assert asyncio.run(ask()) == expected


def test_the_token_is_not_shown() -> None:
    assert "secret" not in repr(Endpoint("http://localhost", None, "secret"))
