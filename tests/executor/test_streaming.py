"""Bodies that pass through as they come, both ways, and what breaks in the middle."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest

from nbfn.drivers.fake import FakeInstance, Script
from tests.executor.conftest import request_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]
    Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter

pytestmark = pytest.mark.anyio

CHUNKED = b"HTTP/1.1 200 OK\r\nNbfn-Runtime: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
EMPTY = b"HTTP/1.1 200 OK\r\nNbfn-Runtime: 1\r\nContent-Length: 0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def head_of(reader: Reader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def test_an_answer_is_passed_on_as_it_is_produced(executor: Executor) -> None:
    more = asyncio.Event()

    async def converse(_: FakeInstance, reader: Reader, writer: Writer) -> None:
        await head_of(reader)
        writer.write(CHUNKED + chunk(b"one "))
        await more.wait()
        writer.write(chunk(b"two") + b"0\r\n\r\n")
        await reader.read()

    async with executor(Script(converse=converse)) as running:
        fn_id = await running.deploy()
        async with running.client.stream("POST", f"/invoke/{fn_id}") as response:
            assert response.headers["nbfn-start"] == "cold"
            assert "nbfn-total-ms" not in response.headers  # nobody knows yet
            pieces = response.aiter_raw()
            assert await anext(pieces) == b"one "  # the rest is not even made
            more.set()
            assert [piece async for piece in pieces] == [b"two"]
        (record,) = await running.items(f"/nbfn/v1/fns/{fn_id}/calls")
        assert record["status"] == 200
        assert "total" in record["timings_ms"]
        assert (await running.invoke(fn_id)).headers["nbfn-start"] == "warm"


@pytest.mark.parametrize("how", ["exit", "close", "garbage"])
async def test_an_answer_that_breaks_off_is_seen_to_be_cut_and_the_record_says_why(
    executor: Executor, how: str
) -> None:
    seen = asyncio.Event()

    async def converse(instance: FakeInstance, reader: Reader, writer: Writer) -> None:
        await head_of(reader)
        writer.write(CHUNKED + chunk(b"half"))
        await seen.wait()
        if how == "exit":
            instance.end(code=3)
        elif how == "garbage":
            writer.write(b"no chunk at all\r\n")
            await reader.read()

    async with executor(Script(converse=converse)) as running:
        fn_id = await running.deploy()
        with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012
            async with running.client.stream("POST", f"/invoke/{fn_id}") as response:
                assert response.status_code == 200
                async for _ in response.aiter_raw():
                    seen.set()
        await running.happened("call.finished")
        (record,) = await running.items(f"/nbfn/v1/fns/{fn_id}/calls")
        assert record["status"] == 502
        assert record["message"].startswith("error receiving function response")
        assert record["message"].endswith("(after a part of the answer was passed on)")
        if how == "exit":
            assert "exit code 3" in record["message"]


async def test_a_long_answer_waits_for_its_reader_and_stays_out_of_memory(executor: Executor) -> None:
    piece, count, written = b"x" * 65536, 400, 0

    async def converse(_: FakeInstance, reader: Reader, writer: Writer) -> None:
        nonlocal written
        await head_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(piece) * count))
        for _number in range(count):
            writer.write(piece)
            await writer.drain()
            written += len(piece)
        await reader.read()

    async with executor(Script(converse=converse)) as running:
        fn_id = await running.deploy()
        reader, writer = await running.dial()
        reader._limit = 1 << 10
        writer.write(request_bytes(fn_id, b""))
        await running.happened("call.started")
        before = -1
        while before != written or not written:  # until it does not get on any more
            before = written
            for _turn in range(50):
                await asyncio.sleep(0.001)
        assert written < len(piece) * count / 2
        reader._limit = 1 << 16
        head = await head_of(reader)
        assert b"content-length: %d" % (len(piece) * count) in head.lower()
        for _number in range(count):
            assert await reader.readexactly(len(piece)) == piece
        writer.close()
        await writer.wait_closed()


async def test_a_request_is_passed_on_as_it_comes(executor: Executor) -> None:
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def converse(_: FakeInstance, reader: Reader, writer: Writer) -> None:
        assert b"Transfer-Encoding: chunked" in await head_of(reader)
        while size := int(await reader.readline(), 16):
            got.put_nowait((await reader.readexactly(size + 2))[:-2])
        await reader.readline()
        writer.write(EMPTY)
        await reader.read()

    async def body() -> AsyncIterator[bytes]:
        for piece in (b"one", b"two", b"three"):
            yield piece
            assert await got.get() == piece  # only then is there more

    async with executor(Script(converse=converse)) as running:
        response = await running.client.post(f"/invoke/{await running.deploy()}", content=body())
        assert response.status_code == 200


async def test_a_long_request_waits_for_an_instance_that_does_not_read(executor: Executor) -> None:
    go = asyncio.Event()
    piece, count, sent = b"y" * 65536, 300, 0

    async def converse(_: FakeInstance, reader: Reader, writer: Writer) -> None:
        assert b"Content-Length: %d" % (len(piece) * count) in await head_of(reader)
        await go.wait()
        for _number in range(count):
            assert await reader.readexactly(len(piece)) == piece
        writer.write(EMPTY)
        await reader.read()

    async with executor(Script(converse=converse)) as running:
        fn_id = await running.deploy()
        reader, writer = await running.dial()
        head = request_bytes(fn_id, b"").replace(
            b"Content-Length: 0", b"Content-Length: %d" % (len(piece) * count)
        )
        writer.write(head)

        async def send() -> None:
            nonlocal sent
            for _number in range(count):
                writer.write(piece)
                await writer.drain()
                sent += len(piece)

        sending = asyncio.ensure_future(send())
        await running.happened("call.started")
        before = -1
        while before != sent:
            before = sent
            for _turn in range(50):
                await asyncio.sleep(0.001)
        assert sent < len(piece) * count / 2
        go.set()
        await sending
        assert b" 200 " in await head_of(reader)
        writer.close()
        await writer.wait_closed()


async def test_an_instance_may_answer_before_it_has_read_everything(executor: Executor) -> None:
    async def converse(_: FakeInstance, reader: Reader, writer: Writer) -> None:
        await head_of(reader)
        writer.write(EMPTY)
        await reader.read(1)

    async with executor(Script(converse=converse)) as running:
        fn_id = await running.deploy()
        reader, writer = await running.dial()
        head = request_bytes(fn_id, b"").replace(b"Content-Length: 0", b"Content-Length: 1000000")
        writer.write(head + b"z" * 1000)
        answer = await head_of(reader)
        assert b" 200 " in answer
        assert b"connection: close" in answer.lower()
        writer.close()
        await writer.wait_closed()


async def test_a_caller_that_hangs_up_in_the_middle_of_its_body_stops_the_instance(
    executor: Executor,
) -> None:
    async def converse(_: FakeInstance, reader: Reader, writer: Writer) -> None:
        await reader.read()

    async with executor(Script(converse=converse)) as running:
        fn_id = await running.deploy()
        _, writer = await running.dial()
        head = request_bytes(fn_id, b"").replace(b"Content-Length: 0", b"Content-Length: 1000000")
        writer.write(head + b"z" * 1000)
        await running.happened("call.started")
        writer.close()
        await writer.wait_closed()
        await running.happened("instance.stopped")
        (record,) = await running.items(f"/nbfn/v1/fns/{fn_id}/calls")
        assert record["status"] == 444


async def test_a_call_over_its_timeout_in_the_middle_of_its_answer_is_cut_off(executor: Executor) -> None:
    async def converse(_: FakeInstance, reader: Reader, writer: Writer) -> None:
        await head_of(reader)
        writer.write(CHUNKED + chunk(b"half"))
        await reader.read()

    async with executor(Script(converse=converse)) as running:
        fn_id = await running.deploy(timeout=1)
        with pytest.raises(httpx.RemoteProtocolError):
            await running.invoke(fn_id)
        await running.happened("call.finished")
        (record,) = await running.items(f"/nbfn/v1/fns/{fn_id}/calls")
        assert record["status"] == 504


async def test_a_detached_calls_chunks_are_counted(executor: Executor) -> None:
    async def pieces():
        for _ in range(9):
            yield b"x" * (1 << 20)

    async with executor() as running:
        fn_id = await running.deploy()
        headers = {"Fn-Invoke-Type": "detached"}
        response = await running.client.post(f"/invoke/{fn_id}", content=pieces(), headers=headers)
        assert response.status_code == 413
        assert response.json()["message"].startswith("Content-Length too large for this server, ")
        assert "call.queued" not in running.kinds()
