"""Requests that offer to go on in another protocol: they are answered in this one, whole."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from nbfn.drivers.fake import FakeAnswer, FakeCall, Script, echo
from nbfn.executor.http import framed
from tests.executor.conftest import request_bytes
from tests.executor.test_front import CLOSE, exchange, one_answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

pytestmark = pytest.mark.anyio

OFFER = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAA")


def offering(fn_id: str, body: bytes, *, chunked: bool) -> bytes:
    """As Java's HttpClient asks over plain HTTP: with an offer of HTTP/2 in each request."""
    if not chunked:
        return request_bytes(fn_id, body, *OFFER)
    head = request_bytes(fn_id, b"", *OFFER, "Transfer-Encoding: chunked")
    return head.replace(b"Content-Length: 0\r\n", b"") + framed([body], last=True)


@pytest.mark.parametrize("chunked", [False, True], ids=["counted", "chunked"])
async def test_who_offers_another_protocol_is_answered_in_this_one_body_and_connection_kept(
    executor: Executor, chunked: bool
) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        reader, writer = await running.dial()
        for body in (b"", b"body", b"x" * 300_000, b"more"):
            writer.write(offering(fn_id, body, chunked=chunked))
            response, answer = await one_answer(reader)
            assert response.startswith(b"http/1.1 200 ok\r\n")
            assert answer == body
            assert b"connection: close" not in response
        both = offering(fn_id, b"one", chunked=chunked) + offering(fn_id, b"two", chunked=chunked)
        for cut in range(1, len(both), 5):
            writer.write(both[:cut])
            await asyncio.sleep(0)
            writer.write(both[cut:])
            assert [(await one_answer(reader))[1] for _ in range(2)] == [b"one", b"two"]
        writer.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["counted", "chunked"])
async def test_a_document_beside_an_offer_is_read(executor: Executor, chunked: bool) -> None:
    async with executor() as running:
        request = offering("x", b'{"name":"shop"}', chunked=chunked).replace(b"/invoke/x", b"/v2/apps")
        reader, writer = await running.dial()
        writer.write(request)
        head, _ = await one_answer(reader)
        writer.close()
        assert head.startswith(b"http/1.1 200 ok")
        assert [app["name"] for app in await running.items("/v2/apps")] == ["shop"]


async def test_an_offer_is_not_passed_on(executor: Executor) -> None:
    seen: list[FakeCall] = []

    async def answer(call: FakeCall) -> FakeAnswer:
        seen.append(call)
        return await echo(call)

    async with executor(Script(answer=answer)) as running:
        writer = (await running.dial())[1]
        writer.write(request_bytes(await running.deploy(), b"x", *OFFER))
        await running.happened("call.finished")
        writer.close()
        (call,) = seen
        assert call.body == b"x"
        assert not {"upgrade", "connection"} & set(call.headers)


async def test_an_offer_does_not_hide_what_is_wrong_after_it(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        offer = request_bytes(fn_id, b"", "Connection: Upgrade", "Upgrade: websocket")
        both = await exchange(running, offer + b"no HTTP\r\n\r\n")
        assert both.count(b"HTTP/1.1 ") == both.count(b"HTTP/1.1 200 ") == 1
        after = await exchange(running, offer + request_bytes("nosuch", b"", CLOSE))
        assert (after.count(b"HTTP/1.1 200 "), after.count(b"HTTP/1.1 404 ")) == (1, 1)
        assert (await exchange(running, b"CONNECT h:1 HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
