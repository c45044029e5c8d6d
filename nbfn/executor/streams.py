"""Answers that stay open: leases and events. Bare ASGI, so that a caller's end is seen at once."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from starlette.requests import Request

from nbfn.errors import TargetError
from nbfn.executor.events import Place
from nbfn.spec import MISSED, Event

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.types import Receive, Scope, Send

    from nbfn.executor.events import Events

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
        if scope["method"] == "HEAD":
            await _head(send, b"text/plain")
            return
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
        if asked not in ("", "now") and Place.parse(asked) is None:
            raise TargetError(
                f"after is {asked!r}: use the id of an event, the number of one, or now", status=400
            )
        if request.method == "HEAD":
            await _head(send, b"text/event-stream")
            return
        # Who was cut off asks for the same again, and says in the header how far it had come.
        came_to = request.headers.get("last-event-id", "")
        after = came_to if Place.parse(came_to) is not None else asked
        fn_id = request.query_params.get("fn_id", "")
        await _begin(send, b"text/event-stream")
        seq, opening = self._opening(after)
        await _say(send, opening)
        await first_of(_hung_up(receive), self._stopping.wait(), self._tell(seq, fn_id, send))
        await send({"type": "http.response.body"})

    def _opening(self, after: str) -> tuple[int, bytes]:
        """The ``seq`` to go on from, and what is said first: where that is, and if events are missing."""
        events, place = self._events, Place.parse(after)
        if after == "now":
            return events.last, self._here(events.last)
        if place is None or place == ("", 0):  # the beginning, whichever that is
            return events.forgotten, self._here(events.forgotten)
        if place.start in ("", events.start) and place.seq <= events.last:
            return place.seq, self._here(place.seq)
        return events.forgotten, self._missed(events.forgotten, events.forgotten, restarted=True)

    async def _tell(self, seq: int, fn_id: str, send: Send) -> None:
        while True:
            batch = self._events.after(seq)
            if batch:
                missed = batch[0].seq - 1 - seq
                body = self._missed(batch[0].seq - 1, missed) if missed else b""
                seq = batch[-1].seq
                body += b"".join(self._encoded(event) for event in batch if fn_id in ("", event.fn_id))
                if body:
                    await _say(send, body)
                continue
            try:
                async with asyncio.timeout(_COMMENT_EVERY_S):
                    await self._events.newer(seq)
            except TimeoutError:
                await _say(send, self._here(seq))

    def _here(self, seq: int) -> bytes:
        """An id without an event: whoever comes back asks from there, also if there was none for it."""
        return f": nbfn\nid: {Place(self._events.start, seq)}\n\n".encode()

    def _missed(self, seq: int, count: int, *, restarted: bool = False) -> bytes:
        """That events up to ``seq`` were not told."""
        data = {"count": count, "restarted": restarted}
        return self._encoded(Event(seq, time.time(), MISSED, data=data))

    def _encoded(self, event: Event) -> bytes:
        data = json.dumps(asdict(event), separators=(",", ":"))
        return f"id: {Place(self._events.start, event.seq)}\ndata: {data}\n\n".encode()


async def _say(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _head(send: Send, content_type: bytes) -> None:
    """To who asks for the head alone: nothing stays open, or the next request would wait for its end."""
    await _begin(send, content_type)
    await send({"type": "http.response.body"})


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
