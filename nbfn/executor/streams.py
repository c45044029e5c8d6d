"""Answers that stay open: leases and events. Bare ASGI, so that a caller's end is seen at once."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from starlette.requests import Request

from nbfn.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.types import Receive, Scope, Send

    from nbfn.executor.events import Events
    from nbfn.spec import Event

_COMMENT_EVERY_S = 15.0


class Leases:
    """How many leases are open, and when one last ended. ``changed`` is set whenever that changes."""

    def __init__(self) -> None:
        self.open = 0
        self.last_end = 0.0
        self.changed = asyncio.Event()

    def add(self, change: int) -> None:
        self.open += change
        self.last_end = time.monotonic()
        self.changed.set()


class LeaseStream:
    """Says nothing for as long as the caller is there."""

    def __init__(self, leases: Leases, stopping: asyncio.Event) -> None:
        self._leases = leases
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._leases.add(1)
        try:
            await _begin(send, b"text/plain")
            await first_of(_hung_up(receive), self._stopping.wait())
        finally:
            self._leases.add(-1)
        await send({"type": "http.response.body"})


class EventStream:
    """The events that the caller asked for, from where it left off."""

    def __init__(self, events: Events, stopping: asyncio.Event) -> None:
        self._events = events
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        asked = request.query_params.get("after", "")
        if asked not in ("", "now") and not (asked.isascii() and asked.isdecimal()):
            raise TargetError(f"after is {asked!r}: use the number of an event, or now", status=400)
        after = asked or request.headers.get("last-event-id") or "0"
        told = int(after) if after.isascii() and after.isdecimal() and len(after) < 19 else 0
        seq = self._events.last if after == "now" else told
        await _begin(send, b"text/event-stream")
        await send({"type": "http.response.body", "body": b": nbfn\n\n", "more_body": True})
        fn_id = request.query_params.get("fn_id", "")
        await first_of(_hung_up(receive), self._stopping.wait(), self._tell(seq, fn_id, send))
        await send({"type": "http.response.body"})

    async def _tell(self, seq: int, fn_id: str, send: Send) -> None:
        seq = seq if seq <= self._events.last else 0  # another executor's: all of this one's are newer
        while True:
            batch = self._events.after(seq)
            if batch:
                seq = batch[-1].seq
                body = b"".join(_encoded(event) for event in batch if fn_id in ("", event.fn_id))
                if body:
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                continue
            try:
                async with asyncio.timeout(_COMMENT_EVERY_S):
                    await self._events.newer(seq)
            except TimeoutError:
                await send({"type": "http.response.body", "body": b": still here\n\n", "more_body": True})


def _encoded(event: Event) -> bytes:
    data = json.dumps(asdict(event), separators=(",", ":"))
    return f"id: {event.seq}\ndata: {data}\n\n".encode()


async def _begin(send: Send, content_type: bytes) -> None:
    headers = [(b"content-type", content_type), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def first_of(*works: Coroutine[object, object, object], timeout: float | None = None) -> None:  # noqa: ASYNC109
    """Run all until one is done; the others are cancelled, and have ended, when this returns."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
