"""Calls, rule by rule of Fn's: what travels to the function and back, on both ways to it."""

from __future__ import annotations

import asyncio
import time
from calendar import timegm
from typing import TYPE_CHECKING

import pytest

from nbfn.drivers.base import StartFailed
from nbfn.drivers.fake import FakeAnswer, FakeCall, FakeInstance, Script
from tests.executor.conftest import TOKEN
from tests.executor.test_front import CLOSE, exchange, trigger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]
    Reader = asyncio.StreamReader
    Writer = asyncio.StreamWriter

pytestmark = pytest.mark.anyio


class Wire:
    """A function that keeps what it is sent, byte for byte, and answers what it is told to."""

    def __init__(self, *lines: str, status: int = 200) -> None:
        self.script = Script(converse=self._converse)
        self.heads: list[list[str]] = []
        self._answer = "\r\n".join([f"HTTP/1.1 {status} X", *lines, "Content-Length: 2", "", "hi"]).encode()

    async def _converse(self, _: FakeInstance, reader: Reader, writer: Writer) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            self.heads.append(head.decode("latin-1").split("\r\n")[:-2])
            length = self.values("content-length")
            if length:
                await reader.readexactly(int(length[0]))
            else:
                while size := int(await reader.readline(), 16):
                    await reader.readexactly(size + 2)
                await reader.readline()
            writer.write(self._answer)

    def values(self, name: str) -> list[str]:
        """What the last request has under this name."""
        pairs = (line.split(": ", 1) for line in self.heads[-1][1:])
        return [value for key, value in pairs if key.lower() == name.lower()]


def raw(method: str, path: str, *lines: str, body: bytes = b"") -> bytes:
    """A request, with the token."""
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {TOKEN}", CLOSE, *lines]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


def told(answer: bytes, name: str) -> list[str]:
    """What an answer has under this name."""
    pairs = (line.split(": ", 1) for line in answer.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:])
    return [value for key, value in pairs if key.lower() == name.lower()]


# To the function


async def test_a_call_is_a_post_to_call_with_the_callers_own_headers(executor: Executor) -> None:
    wire = Wire()
    own = ["User-Agent: me", "Accept: */*", "X-Many: 1", "X-Other: x", "X-Many: 2", "Fn-Intent: httprequest"]
    async with executor(wire.script) as running:
        path = f"/invoke/{await running.deploy()}"
        answer = await exchange(running, raw("POST", path, *own, body=b"body"))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert wire.heads[0][:2] == ["POST /call HTTP/1.1", "Host: localhost"]
        assert wire.values("x-many") == ["1", "2"]
        for name, value in (line.split(": ") for line in own if "Many" not in line):
            assert wire.values(name) == [value]
        assert wire.values("accept-encoding") == []
        assert wire.values("fn-call-id") == told(answer, "fn-call-id")
        assert wire.values("content-length") == ["4"]
        await exchange(running, raw("POST", path, "Accept-Encoding: br"))
        assert (wire.values("accept-encoding"), wire.values("content-length")) == (["br"], ["0"])


async def test_headers_of_the_connection_stay_with_it(executor: Executor) -> None:
    names = ("Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer")
    wire = Wire()
    async with executor(wire.script) as running:
        lines = [f"{name}: trailers" for name in names]
        await exchange(running, raw("POST", f"/invoke/{await running.deploy()}", *lines))
        for name in (*names, "Connection", "Transfer-Encoding", "Upgrade"):
            assert wire.values(name) == []


async def test_a_body_of_unknown_length_goes_in_chunks(executor: Executor) -> None:
    async def large() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"x" * 50_000

    wire = Wire()
    async with executor(wire.script) as running:
        response = await running.client.post(f"/invoke/{await running.deploy()}", content=large())
        assert response.content == b"hi"
        assert (wire.values("transfer-encoding"), wire.values("content-length")) == (["chunked"], [])


async def test_the_deadline_is_the_timeout_after_the_call_began_to_run(executor: Executor) -> None:
    wire = Wire()
    async with executor(wire.script) as running:
        fn_id = await running.deploy(timeout=300)
        before = time.time()
        await running.invoke(fn_id)
        (said,) = wire.values("fn-deadline")
        deadline = timegm(time.strptime(said, "%Y-%m-%dT%H:%M:%SZ"))
        assert int(before + 300) <= deadline <= time.time() + 300


async def test_the_start_of_an_instance_does_not_count_towards_the_timeout(executor: Executor) -> None:
    async def start(_: FakeInstance) -> None:
        await asyncio.sleep(2.5)

    async with executor(Script(start=start)) as running:
        response = await running.invoke(await running.deploy(timeout=2), b"late")
        assert (response.status_code, response.content) == (200, b"late")


# Back from it


async def test_an_invocation_that_works_is_a_200_with_the_functions_headers(executor: Executor) -> None:
    lines = (
        "Fn-Http-Status: 404", "Fn-Http-H-X: 1", "Fn-Fdk-Version: fdk-python/0.1.128",
        "Fn-Fdk-Runtime: python/3.11.2 final", "Set-Cookie: a=1", "Set-Cookie: b=2",
    )  # fmt: skip
    async with executor(Wire(*lines, "Fn-Call-Id: forged").script) as running:
        answer = await exchange(running, raw("POST", f"/invoke/{await running.deploy()}"))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\nhi")
        pairs = [line.split(": ") for line in lines]
        for name, _ in pairs:
            assert told(answer, name) == [value for key, value in pairs if key == name]
        assert len(told(answer, "fn-call-id")) == 1
        assert told(answer, "fn-call-id") != ["forged"]
        assert told(answer, "content-length") == ["2"]


# Triggers


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PURGE"])
async def test_a_trigger_takes_any_method_and_says_which(executor: Executor, method: str) -> None:
    wire = Wire()
    async with executor(wire.script) as running:
        await trigger(running, "/x", await running.deploy())
        answer = await exchange(running, raw(method, "/t/shop/x?a=1&a=2"))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"" if method == "HEAD" else b"hi")
        assert wire.heads[0][0] == "POST /call HTTP/1.1"
        assert wire.values("fn-http-method") == [method]
        assert wire.values("fn-http-request-url") == ["http://localhost/t/shop/x?a=1&a=2"]


async def test_a_trigger_passes_the_callers_headers_behind_a_prefix(executor: Executor) -> None:
    wire = Wire()
    async with executor(wire.script) as running:
        await trigger(running, "/x", await running.deploy())
        lines = ("X-Many: 1", "X-Many: 2", "Content-Type: text/y", "Fn-Call-Id: forged", "Fn-Intent: other")
        answer = await exchange(running, raw("POST", "/t/shop/x", *lines, body=b"body"))
        assert wire.values("fn-http-h-x-many") == ["1", "2"]
        assert wire.values("fn-http-h-content-length") == ["4"]
        assert wire.values("content-type") == ["text/y"]
        for name in ("x-many", "fn-http-h-content-type", "fn-http-h-host", "fn-http-h-authorization"):
            assert wire.values(name) == []
        assert wire.values("host") == ["localhost"]
        assert wire.values("fn-intent") == ["httprequest"]
        assert wire.values("fn-call-id") == told(answer, "fn-call-id")
        assert len(wire.values("fn-deadline")) == 1


async def test_of_a_triggers_answer_only_what_is_behind_the_prefix_is_left(executor: Executor) -> None:
    lines = (
        "Fn-Http-Status: 404", "Fn-Http-H-Set-Cookie: a=1", "Fn-Http-H-Set-Cookie: b=2", "X-Inner: no",
        "Fn-Fdk-Version: no", "Content-Type: text/x", "Fn-Http-H-Content-Type: text/no", "Fn-Call-Id: no",
        "Fn-Http-H-Fn-Call-Id: no", "Fn-Http-H-Nbfn-Start: no", "Fn-Http-H-Nbfn-Total-Ms: no",
    )  # fmt: skip
    async with executor(Wire(*lines).script) as running:
        await trigger(running, "/x", await running.deploy())
        answer = await exchange(running, raw("GET", "/t/shop/x"))
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert told(answer, "set-cookie") == ["a=1", "b=2"]
        assert told(answer, "content-type") == ["text/x"]
        for name in ("x-inner", "fn-fdk-version", "fn-http-status", "fn-http-h-set-cookie"):
            assert told(answer, name) == []
        for name in ("fn-call-id", "nbfn-start", "nbfn-total-ms"):
            (said,) = told(answer, name)
            assert said != "no"


async def test_the_result_of_a_detached_call_by_a_trigger_is_what_the_trigger_would_have_answered(
    executor: Executor,
) -> None:
    wire = Wire("Fn-Http-Status: 418", "Content-Type: text/x")
    async with executor(wire.script) as running:
        await trigger(running, "/x", await running.deploy())
        answer = await exchange(running, raw("GET", "/t/shop/x", "Fn-Invoke-Type: detached"))
        assert answer.startswith(b"HTTP/1.1 202 ")
        (call_id,) = told(answer, "fn-call-id")
        await running.happened("call.finished")
        result = await running.client.get(f"/nbfn/v1/calls/{call_id}/result")
        assert (result.status_code, result.content, result.headers["content-type"]) == (418, b"hi", "text/x")


@pytest.mark.parametrize(("status", "expected"), [(502, 502), (504, 504), (500, 502)])
async def test_a_failure_is_not_hidden_by_the_status_of_a_trigger(
    executor: Executor, status: int, expected: int
) -> None:
    async def answer(_: FakeCall) -> FakeAnswer:
        return FakeAnswer(b"", status, {"Fn-Http-Status": "201"})

    async with executor(Script(answer=answer)) as running:
        await trigger(running, "/x", await running.deploy())
        assert (await running.client.get("/t/shop/x")).status_code == expected


# Statuses


async def test_only_posts_invoke(executor: Executor) -> None:
    async with executor() as running:
        path = f"/invoke/{await running.deploy()}"
        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
            response = await running.client.request(method, path)
            said = (response.status_code, response.json()["message"])
            assert said == (405, f"Method not allowed: {method} {path}")


async def test_a_function_that_never_fits_is_refused(executor: Executor) -> None:
    async with executor(memory_mb=200) as running:
        response = await running.invoke(await running.deploy(memory=201))
        assert response.status_code == 400
        assert response.json()["message"].startswith("Requested CPU/Memory cannot be allocated")
        assert running.driver.started == []


async def test_an_image_that_may_not_be_run_is_refused(executor: Executor) -> None:
    async def start(_: FakeInstance) -> None:
        raise StartFailed("refused", "image has Volume definition: /data")

    async with executor(Script(start=start)) as running:
        response = await running.invoke(await running.deploy())
        said = (response.status_code, response.json()["message"])
        assert said == (400, "image has Volume definition: /data")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (b"", "the connection was closed before the answer was complete"),
        (b"hello\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * (2 << 20), "function response header too large"),
    ],
    ids=["nothing", "no HTTP", "headers without end"],
)
async def test_what_is_no_answer(executor: Executor, said: bytes, message: str) -> None:
    async def converse(_: FakeInstance, reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()

    async with executor(Script(converse=converse)) as running:
        response = await running.invoke(await running.deploy())
        assert response.status_code == 502
        assert response.json()["message"].startswith(f"error receiving function response: {message}")
        await running.happened("instance.stopped")


async def test_calls_of_an_executor_that_stops_may_be_made_again(executor: Executor) -> None:
    async def answer(_: FakeCall) -> FakeAnswer:
        await asyncio.Event().wait()
        raise AssertionError

    async with executor(Script(answer=answer), memory_mb=128) as running:
        fn_id = await running.deploy()
        runs = asyncio.create_task(running.invoke(fn_id))
        await running.happened("call.started")
        waits = asyncio.create_task(running.invoke(fn_id))
        await running.happened("call.queued", 2)
        closing = asyncio.create_task(running.parts.pool.close(0.1))
        for call in (waits, runs):
            response = await call
            assert response.status_code == 503
            assert response.json()["message"].startswith("Timed out - server too busy")
            assert response.headers["retry-after"] == "15"
        await closing
