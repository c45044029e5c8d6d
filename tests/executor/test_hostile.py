"""Callers and functions that mean harm: foreign names, bodies and headers without end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from nbfn.drivers.fake import Script
from tests.executor.conftest import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from nbfn.drivers.fake import FakeInstance
    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

pytestmark = pytest.mark.anyio


TEN_GB = 10 << 30


async def said(running: Running, head: str) -> bytes:
    """All of the answer to a request with the token, and without a body."""
    reader, writer = await running.dial()
    writer.write(f"{head}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    "head",
    [
        "GET http://evil.example/v2/apps HTTP/1.1\r\nHost: localhost",
        "GET http://evil.example:80/v2/apps HTTP/1.1\r\nHost: localhost",
        "GET HTTP://EVIL HTTP/1.1\r\nHost: localhost",
        "GET http://[::2]/v2/apps HTTP/1.0",
        "POST http://evil.example/invoke/x HTTP/1.1\r\nHost: localhost",
        "GET http://localhost:80@evil.example/t/a/b HTTP/1.1\r\nHost: localhost",
    ],
)
async def test_an_absolute_target_of_another_name_is_refused(executor: Executor, head: str) -> None:
    async with executor() as running:
        answer = await said(running, head)
        assert answer.startswith(b"HTTP/1.1 421 ")
        assert b"use localhost" in answer


async def test_an_absolute_target_outweighs_the_host(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        for authority in ("localhost", "127.0.0.1:99", "[::1]:7"):
            for host in ("", "\r\nHost: evil.example"):
                target = f"http://{authority}/v2/fns/{fn_id}"
                answer = await said(running, f"GET {target} HTTP/1.1{host}")
                assert answer.startswith(b"HTTP/1.1 200 ")
                assert f"http://{authority}/invoke/{fn_id}".encode() in answer
                assert b"evil" not in answer
        answer = await said(running, "GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\nHost: evil")
        assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "path", ["/v2/apps", "/v2/apps/x", "/nbfn/v1/fns/FN/rollback", "/invoke/FN", "/t/a/b"]
)
@pytest.mark.parametrize("asks", ["", "\r\nExpect: 100-continue"])
async def test_a_body_that_says_it_is_too_large_is_refused_before_any_of_it_came(
    executor: Executor, path: str, asks: str
) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        path = path.replace("FN", fn_id)
        method = "PUT" if path.endswith("/x") else "POST"
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost{asks}\r\nContent-Length: {TEN_GB}"
        head += "\r\nFn-Invoke-Type: detached"
        answer = await said(running, head)
        assert answer.startswith(b"HTTP/1.1 404 " if path == "/t/a/b" else b"HTTP/1.1 413 ")
        assert b"100 Continue" not in answer
        assert not running.parts.app.tasks


@pytest.mark.parametrize(("status", "expected"), [(200, 200), (502, 502), (504, 504), (418, 502)])
async def test_what_a_function_says_of_its_failure_is_kept_in_part(
    executor: Executor, status: int, expected: int
) -> None:
    """Each record and event has it: a megabyte of it would be ten gigabytes of events."""
    answer = b"HTTP/1.1 %d X\r\nNbfn-Error: %b\r\nContent-Type: %b\r\nContent-Length: 0\r\n\r\n"

    async def converse(_: FakeInstance, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(answer % (status, b"x" * 400_000, b"y" * 400_000))

    async with executor(Script(converse=converse)) as running:
        fn_id = await running.deploy()
        call_id = (await running.invoke(fn_id, **{"Fn-Invoke-Type": "detached"})).headers["fn-call-id"]
        await running.happened("call.finished")
        call = (await running.client.get(f"/nbfn/v1/calls/{call_id}")).json()
        assert call["status"] == expected
        assert 4000 < len(call["message"]) < 5000
        assert len(call["result"]["content_type"]) < 5000
        assert all(len(str(event.data)) < 10_000 for event in running.parts.events.after(0))


@pytest.mark.parametrize("path", ["/v2/apps", "/invoke/FN", "/invoke/nosuch"])
async def test_chunks_that_are_all_wrapping_are_refused(executor: Executor, path: str) -> None:
    async with executor() as running:
        path = path.replace("FN", await running.deploy())
        _reader, writer = await running.dial()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n1;".encode())
        cut_off = False
        for _ in range(5000):  # of which 66 are too many
            try:
                writer.write(b"x" * 1000)
                await writer.drain()
            except ConnectionError:
                cut_off = True
                break
            await asyncio.sleep(0)
        assert cut_off
        await running.parts.pool.no_calls()
        assert (await running.client.get("/version")).status_code == 200
