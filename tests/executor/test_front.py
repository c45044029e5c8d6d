"""The HTTP front: what callers may send, and what they may not."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from nbfn.drivers.fake import FakeAnswer, FakeCall, Script
from nbfn.executor.front import Patience
from tests.executor.conftest import TOKEN, request_bytes, running

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from nbfn.config import Settings
    from nbfn.drivers.fake import FakeInstance
    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

pytestmark = pytest.mark.anyio


async def exchange(running: Running, *pieces: bytes) -> bytes:
    """All that comes back until the other side closes."""
    reader, writer = await running.dial()
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def one_answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    (length,) = (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    return head, await reader.readexactly(length)


CLOSE = "Connection: close"


async def test_connection_close_and_http_1_0(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        answer = await exchange(running, request_bytes(fn_id, b"hi", CLOSE))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\nhi")
        assert b"Connection: close" in answer
        old = request_bytes(fn_id, b"hi").replace(b"HTTP/1.1", b"HTTP/1.0")
        assert (await exchange(running, old)).endswith(b"\r\n\r\nhi")


async def test_pipelined_requests_are_answered_in_their_order(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        info = f"GET /version HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
        reader, writer = await running.dial()
        bodies = [b"%d" % number for number in range(20)]
        writer.write(info.join(request_bytes(fn_id, body) for body in bodies))
        for number, body in enumerate(bodies):
            assert (await one_answer(reader))[1] == body
            if number < len(bodies) - 1:
                assert b"version" in (await one_answer(reader))[1]
        writer.close()
        await writer.wait_closed()


async def test_any_cut_of_the_bytes_is_read_alike(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        whole = request_bytes(fn_id, b"body", CLOSE)
        for at in range(1, len(whole), 7):
            assert (await exchange(running, whole[:at], whole[at:])).endswith(b"\r\n\r\nbody")


async def test_who_asks_before_sending_is_told_to_or_refused_at_once(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        whole = request_bytes(fn_id, b"body", "Expect: 100-continue", CLOSE)
        reader, writer = await running.dial()
        writer.write(whole[:-4])
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(whole[-4:])
        assert (await reader.read()).endswith(b"body")
        writer.close()
        await writer.wait_closed()
        reader, writer = await running.dial()
        writer.write(whole[:-4].replace(fn_id.encode(), b"nosuch"))
        assert b" 404 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 401),
        (b"GET /invoke/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: http://e\r\n\r\n", 401),
        (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ],
)  # fmt: skip
async def test_what_is_refused(executor: Executor, sent: bytes, status: int) -> None:
    async with executor() as running:
        answer = await exchange(running, sent)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert b"access-control" not in answer.lower()
        assert (b"www-authenticate: bearer" in answer.lower()) == (status == 401)


@pytest.mark.parametrize(
    "trailer", [b"x: " + b"y" * 90_000 + b"\r\n", b"x: y\r\n" * 20_000], ids=["one", "many"]
)
@pytest.mark.parametrize("piece", [1_000_000, 10_000])
async def test_trailers_have_the_limit_of_headers(executor: Executor, trailer: bytes, piece: int) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        head = request_bytes(fn_id, b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
        whole = head + b"2\r\nhi\r\n0\r\n" + trailer + b"\r\n"
        pieces = [whole[at : at + piece] for at in range(0, len(whole), piece)]
        answer = await exchange(running, *pieces)
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert (await exchange(running, request_bytes(fn_id, b"hi", CLOSE))).endswith(b"hi")


async def test_a_refused_small_body_leaves_the_connection_usable(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        reader, writer = await running.dial()
        writer.write(request_bytes("nosuch", b"12345") + request_bytes(fn_id, b"hi"))
        assert b" 404 " in (await one_answer(reader))[0]
        assert (await one_answer(reader))[1] == b"hi"
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "sent", [b"", b"POST /invoke/", request_bytes("FN", b"12345")[:-2], request_bytes("FN", b"1") + b"GET"]
)
async def test_slow_callers_are_cut_off(executor: Executor, sent: bytes) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        running.parts.app.patience = SHORT
        await exchange(running, sent.replace(b"FN", fn_id.encode()))  # returns, that is


SHORT = Patience(0.02, 0.02, 0.02, 0.02, 0.02, 0.01)
LONG = Patience(sweep_s=0.01)  # every other limit is out of this test's reach


@pytest.mark.parametrize("sent", [b"POST /inv", b"POST /invoke/x HTTP/1.1\r\nHost: localhost\r\nX: "])
async def test_headers_that_take_too_long_are_told_so(executor: Executor, sent: bytes) -> None:
    async with executor() as running:
        running.parts.app.patience = replace(LONG, head_s=0.02)
        answer = await exchange(running, sent)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"the headers took too long" in answer


async def test_headers_that_come_byte_by_byte_have_one_limit_together(executor: Executor) -> None:
    async with executor() as running:
        running.parts.app.patience = replace(LONG, head_s=0.05)
        loop, answer = asyncio.get_running_loop(), b""
        with socket.socket(socket.AF_UNIX) as caller:
            caller.setblocking(False)
            await loop.sock_connect(caller, str(running.settings.socket))
            await loop.sock_sendall(caller, b"GET / HTTP/1.1\r\nX: ")
            while not answer:  # each byte comes in time, and there is no end to them
                with contextlib.suppress(BrokenPipeError):
                    await loop.sock_sendall(caller, b"x")
                with contextlib.suppress(TimeoutError):
                    answer = await asyncio.wait_for(loop.sock_recv(caller, 4096), 0.005)
        assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("size", [5, 200_000])  # gathered first; passed on as it comes
async def test_a_body_that_stops_coming_cuts_its_caller_off_and_nobody_else(
    executor: Executor, size: int
) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        running.parts.app.patience = replace(LONG, body_s=0.02)
        assert await exchange(running, request_bytes(fn_id, bytes(size))[:-2]) == b""
        await running.parts.pool.no_calls()
        assert (await running.invoke(fn_id, b"on")).content == b"on"


async def test_a_body_of_the_control_plane_that_stops_coming_cuts_its_caller_off(executor: Executor) -> None:
    async with executor() as running:
        running.parts.app.patience = replace(LONG, body_s=0.02)
        whole = request_bytes("x", b'{"name": "shop"}').replace(b"/invoke/x", b"/v2/apps")
        assert await exchange(running, whole[:-2]) == b""
        assert await running.items("/v2/apps") == []


@pytest.mark.parametrize("goes_on", [False, True])
async def test_who_does_not_stop_sending_what_was_refused_is_cut_off(
    executor: Executor, goes_on: bool
) -> None:
    async with executor() as running:
        running.parts.app.patience = replace(LONG, discard_s=0.05)
        reader, writer = await running.dial()
        async with asyncio.timeout(30):  # a tenth of it would do, and without the limit a minute does not
            writer.write(request_bytes("nosuch", bytes(200_000))[:-100_000])
            assert b" 404 " in (await one_answer(reader))[0]
            with contextlib.suppress(ConnectionError):
                while goes_on and not reader.at_eof():
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.005)
                assert await reader.read() == b""
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_who_takes_no_more_of_an_answer_is_cut_off_and_its_call_ends(executor: Executor) -> None:
    async def answer(_: FakeCall) -> FakeAnswer:
        return FakeAnswer(bytes(30 << 20))

    async with executor(Script(answer=answer)) as running:
        fn_id = await running.deploy()
        running.parts.app.patience = replace(LONG, write_s=0.05)
        reader, writer = await running.dial()
        reader._limit = 1 << 10
        writer.write(request_bytes(fn_id, b""))
        await running.happened("call.finished")  # although the caller is still there
        await running.parts.pool.no_calls()
        reader._limit = 1 << 16
        read = await asyncio.gather(reader.read(), return_exceptions=True)
        assert not isinstance(read[0], bytes) or len(read[0]) < 30 << 20
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_who_asks_nothing_is_let_go(executor: Executor) -> None:
    async with executor() as running:
        running.parts.app.patience = replace(LONG, idle_s=0.02)
        fn_id = await running.deploy()
        assert (await exchange(running, request_bytes(fn_id, b"hi"))).endswith(b"hi")  # returns, that is


async def test_a_document_over_the_limit_is_refused(executor: Executor) -> None:
    async with executor() as running:
        response = await running.client.post("/v2/apps", content=b" " * ((1 << 20) + 1))
        assert response.status_code == 413
        assert "larger than 1048576 bytes" in response.json()["message"]
        assert await running.items("/v2/apps") == []


# Triggers


async def trigger(running: Running, source: str, fn_id: str) -> None:
    fn = (await running.client.get(f"/v2/fns/{fn_id}")).json()
    made = {"name": f"t-{fn_id}", "type": "http", "source": source, "app_id": fn["app_id"], "fn_id": fn_id}
    await running.post("/v2/triggers", made)


async def test_a_trigger_speaks_http_behind_fns_headers(executor: Executor) -> None:
    seen: list[FakeCall] = []

    async def answer(call: FakeCall) -> FakeAnswer:
        seen.append(call)
        headers = {
            "Fn-Http-Status": "201", "Fn-Http-H-X-Own": "1", "X-Inner": "no", "Content-Type": "text/x",
            "Fn-Http-H-Content-Length": "9", "Fn-Http-H-Connection": "close",
        }  # fmt: skip
        return FakeAnswer(b"made", headers=headers)

    async with executor(Script(answer=answer)) as running:
        fn_id = await running.deploy()
        await trigger(running, "/a/b", fn_id)
        response = await running.client.put(
            "/t/shop/a/b?q=1", content=b"body", headers={"X-Mine": "v", "Content-Type": "text/y"}
        )
        assert (response.status_code, response.content) == (201, b"made")
        assert (response.headers["x-own"], response.headers["content-type"]) == ("1", "text/x")
        assert "x-inner" not in response.headers
        assert response.headers["fn-call-id"]
        (call,) = seen
        assert (call.method, call.path, call.body) == ("POST", "/call", b"body")
        assert call.headers["fn-http-method"] == "PUT"
        assert call.headers["fn-http-request-url"] == "http://localhost/t/shop/a/b?q=1"
        assert call.headers["fn-intent"] == "httprequest"
        assert (call.headers["fn-http-h-x-mine"], call.headers["content-type"]) == ("v", "text/y")
        assert TOKEN not in str(call.headers)
        for path in ("/t/shop/a", "/t/shop/a/b/", "/t/other/a/b", "/t/shop"):
            assert (await running.client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("said", "status"), [("99", 502), ("1000", 502), ("x", 502), ("0", 200), ("404", 404)]
)
async def test_a_triggers_status(executor: Executor, said: str, status: int) -> None:
    async def answer(_: FakeCall) -> FakeAnswer:
        return FakeAnswer(b"", headers={"Fn-Http-Status": said})

    async with executor(Script(answer=answer)) as running:
        await trigger(running, "/x", await running.deploy())
        assert (await running.client.get("/t/shop/x")).status_code == status
        assert (await running.client.head("/t/shop/x")).status_code == status


# Detached


async def test_a_detached_call_is_answered_at_once_and_its_result_kept(executor: Executor) -> None:
    gate = asyncio.Event()

    async def answer(call: FakeCall) -> FakeAnswer:
        await gate.wait()
        return FakeAnswer(call.body * 2, headers={"Content-Type": "text/z"})

    async with executor(Script(answer=answer)) as running:
        fn_id = await running.deploy()
        response = await running.invoke(fn_id, b"ab", **{"Fn-Invoke-Type": "detached"})
        assert (response.status_code, response.content) == (202, b"")
        path = f"/nbfn/v1/calls/{response.headers['fn-call-id']}"
        pending = (await running.client.get(path)).json()
        assert (pending["status"], pending["result"]["done"]) == (0, False)
        assert (await running.client.get(f"{path}/result")).status_code == 202
        gate.set()
        await running.happened("call.finished")
        done = (await running.client.get(path)).json()
        assert (done["status"], done["start"]) == (200, "cold")
        assert done["result"] == {"done": True, "content_type": "text/z", "bytes": 4, "cut": False}
        result = await running.client.get(f"{path}/result")
        assert (result.status_code, result.content, result.headers["content-type"]) == (
            200,
            b"abab",
            "text/z",
        )
        assert (await running.client.get("/nbfn/v1/calls/nosuch/result")).status_code == 404


async def test_detached_bodies_are_bounded(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        response = await running.invoke(fn_id, b"x" * (9 << 20), **{"Fn-Invoke-Type": "detached"})
        assert response.status_code == 413
        response = await running.invoke(fn_id, b"x" * (2 << 20), **{"Fn-Invoke-Type": "detached"})
        assert response.status_code == 202
        await running.happened("call.finished")
        path = f"/nbfn/v1/calls/{response.headers['fn-call-id']}"
        result = (await running.client.get(path)).json()["result"]
        assert (result["bytes"], result["cut"]) == (2 << 20, True)
        assert len((await running.client.get(f"{path}/result")).content) == 1 << 20


# Garbage

_pieces = st.one_of(
    st.sampled_from(
        [
            b"POST /invoke/FN HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n", b"POST /t/APP/x HTTP/1.1\r\n", b"\r\n",
            b"Host: localhost\r\n", b"Authorization: Bearer TOKEN\r\n", b"Content-Length: 5\r\n", b"\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b"hello",
            b"ffffffffffffffff\r\n",
            b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Upgrade: h2c\r\nConnection: Upgrade\r\n",
            b"Fn-Invoke-Type: detached\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\n",
            b"Nbfn-Call-Id: 01MEEEEEEEEEEEEEEEEEEEEEEE\r\n", b"Nbfn-Memory: 3\r\n",
            b"Content-Length: -1\r\n", b"X: \x00\r\n", b" folded\r\n", b"GET http://[::1 HTTP/1.1\r\n",
        ]
    ),
    st.binary(max_size=20),
)  # fmt: skip


_WHOLE = (
    b"POST /%b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer TOKEN\r\n"
    b"Transfer-Encoding: chunked\r\nNbfn-Call-Id: 01MFFFFFFFFFFFFFFFFFFFFFFF\r\n\r\n"
    b"5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"
)


@st.composite
def _damaged(draw: st.DrawFn) -> list[bytes]:
    """A whole request of which some bytes were changed, left out or put in."""
    sent = bytearray(
        _WHOLE % draw(st.sampled_from([b"invoke/FN", b"t/APP/x", b"v2/apps", b"nbfn/v1/calls/x"]))
    )
    for _ in range(draw(st.integers(1, 4))):
        at, size = draw(st.integers(0, len(sent) - 1)), draw(st.integers(0, 3))
        sent[at : at + size] = draw(st.binary(max_size=3))
    return [bytes(sent)]


_streams = st.one_of(st.lists(_pieces, max_size=10), _damaged())
_numbers = itertools.count()


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("stays", [False, True])
@hypothesis_settings(max_examples=12)
@given(st.lists(_streams, min_size=10, max_size=10))
async def test_garbage_harms_nobody(settings: Settings, stays: bool, streams: list[list[bytes]]) -> None:
    """No hang (each connection ends), no 500, no descriptor or task left, and others are served.

    A caller either says that no more comes, or ``stays`` there and is silent.
    """
    async with running(replace(settings)) as executor:
        executor.parts.app.patience = LONG
        app = f"app{next(_numbers)}"  # examples share a state folder
        fn_id = await executor.deploy(app=app)
        await trigger(executor, "/x", fn_id)
        await executor.invoke(fn_id)
        before, tasks = _descriptors(), len(asyncio.all_tasks())
        for stream in streams:
            sent = b"".join(stream).replace(b"FN", fn_id.encode()).replace(b"TOKEN", TOKEN.encode())
            sent = sent.replace(b"APP", app.encode())
            executor.parts.app.patience = SHORT if stays else LONG
            reader, writer = await executor.dial()
            writer.write(sent)
            if not stays:
                writer.write_eof()
            answer = await asyncio.gather(reader.read(), return_exceptions=True)
            executor.parts.app.patience = LONG
            assert b"HTTP/1.1 500" not in (answer[0] if isinstance(answer[0], bytes) else b"")
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
            assert (await executor.invoke(fn_id, b"still")).content == b"still"
        await executor.parts.pool.no_calls()
        for _ in range(1000):  # connections close a few turns of the loop later
            more = 2 * executor.parts.pool.instances
            if _descriptors() <= before + more and len(asyncio.all_tasks()) <= tasks + more:
                break
            await asyncio.sleep(0.001)
        assert _descriptors() <= before + more
        assert len(asyncio.all_tasks()) <= tasks + more, asyncio.all_tasks()
        assert not executor.parts.app.tasks


_SAID = st.sampled_from([
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 502 x\r\n", b"HTTP/1.1 504 x\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n", b"HTTP/9.9 999 \r\n", b"\r\n", b"\n", b"\0", b"Content-Length: 2\r\n\r\nok",
    b"Content-Length: 99999999999999999999\r\n", b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n",
    b"2\r\nok\r\n0\r\n\r\n", b"fffffffffffffffff\r\n", b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"Nbfn-Runtime: 1\r\n", b"Nbfn-Run-Ms: nan\r\n", b"Nbfn-Import-Ms: 1e999\r\n", b"Nbfn-Error: x\r\n",
    b"Nbfn-Output: ====\r\n", b"Nbfn-Output-Cut: " + b"9" * 5000 + b"\r\n", b"Fn-Http-Status: 1000\r\n",
    b"Fn-Http-H-Set-Cookie: a\r\n", b"Content-Type: \xff\xfe\r\n", b"X: " + b"y" * 9000 + b"\r\n",
])  # fmt: skip


@hypothesis_settings(max_examples=25)
@given(said=st.lists(_SAID | st.binary(max_size=8), max_size=12).map(b"".join), stays=st.integers(0, 9))
async def test_garbage_of_a_function_harms_nobody(settings: Settings, said: bytes, stays: int) -> None:
    """Its call ends, in time; what is told of it can be read; others are served."""
    hung = asyncio.Event() if stays == 0 else None  # few of them: each waits for its timeout

    async def converse(instance: FakeInstance, reader: StreamReader, writer: StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if b"01MGARBAGE" not in head:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell")
                continue
            writer.write(said)
            await writer.drain()
            if hung is not None:
                await hung.wait()
            return

    async with running(replace(settings), Script(converse=converse)) as executor:
        number = next(_numbers)
        app, call_id = f"garbage{number}", f"01MGARBAGE{number:016d}"
        fn_id, other = [await executor.deploy(name, app=app, timeout=1) for name in ("bad", "good")]
        with contextlib.suppress(httpx.RemoteProtocolError):  # the answer broke off
            async with asyncio.timeout(10):
                answer = await executor.invoke(fn_id, **{"Nbfn-Call-Id": call_id})
            assert answer.status_code in (200, 502, 504)
        await executor.parts.pool.no_calls()
        assert (await executor.invoke(other)).content == b"well"
        assert (await executor.invoke(fn_id)).content == b"well"
        for path in (f"/nbfn/v1/fns/{fn_id}/calls", f"/nbfn/v1/calls/{call_id}"):
            response = await executor.client.get(path)
            assert response.status_code == 200
            json.loads(response.text, parse_constant=pytest.fail)
