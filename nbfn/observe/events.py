"""The executor's events, followed in the portal and handed to observers.

One :func:`subscribe` is one server-sent stream. It outlives the executor: when another one takes its
place the observer is told so by an event of kind :data:`~nbfn.observe.timeline.RESTARTED`, and then
gets what that one has to tell from its beginning. Which executor an event's number counts in is told by
the id that it has in the stream; where events are missing, one of kind :data:`~nbfn.spec.MISSED` says so.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable
from concurrent import futures
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import httpx

from nbfn.observe.timeline import RESTARTED
from nbfn.portal import portal
from nbfn.spec import MISSED, Event

if TYPE_CHECKING:
    from concurrent.futures import Future

    from anyio.abc import TaskStatus

    from nbfn.transport import Endpoint

Observer = Callable[[Event], object]
"""Called on the portal's thread, one event after another. It must not block; if it raises it is dropped."""

_log = logging.getLogger(__name__)

# The executor writes a comment every 15 s: a stream that is silent for longer is dead.
_TIMEOUT = httpx.Timeout(5.0, read=40.0)
_OPEN_TIMEOUT_S = 5.0
_RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(slots=True)
class Subscription:
    """An observer at work. Closing it, also twice or from the observer itself, ends it."""

    _future: Future[None] = field(repr=False)

    @property
    def open(self) -> bool:
        """False once closed, or dropped because the observer raised."""
        return not self._future.done()

    def close(self) -> None:
        self._future.cancel()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended by itself; False if it has not within the time. Not for observers."""
        return not futures.wait([self._future], timeout_s).not_done

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def subscribe(
    where: Callable[[], Endpoint | None], fn_id: str, observer: Observer, *, after: int | None = None
) -> Subscription:
    """Follow the events of one function (of all, if ``fn_id`` is empty) until closed.

    ``where`` is asked for the endpoint before every connection, on the portal's thread; None ends it all.
    ``after`` is the ``seq`` to replay from (0: all that is remembered); None gives what happens from now
    on: the stream is open when this returns, unless the executor cannot be reached just now, which is no
    error here.
    """
    follower = _Follower(where, fn_id, observer, "now" if after is None else str(after))
    future, _ = portal().start_task(follower.run, name=f"nbfn events {fn_id}")
    return Subscription(future)


class _Dropped(Exception):
    """The observer raised."""


@dataclass(slots=True)
class _Follower:
    where: Callable[[], Endpoint | None]
    fn_id: str
    observer: Observer
    after: str
    """As the executor is asked: ``now``, a number, or the id of the newest event that came."""
    heard: bool = False
    """Of an executor that was not said to be gone."""

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        opened = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(self._follow, opened)
            with anyio.move_on_after(_OPEN_TIMEOUT_S):
                await opened.wait()
            task_status.started()

    async def _follow(self, opened: anyio.Event) -> None:
        try:
            while (endpoint := self.where()) is not None:
                await self._follow_one(endpoint, opened)
        except _Dropped:
            pass
        opened.set()

    async def _follow_one(self, endpoint: Endpoint, opened: anyio.Event) -> None:
        """Listen there, again and again, until the executor is to be found elsewhere."""
        failures = 0
        # One client for as long as the endpoint stays: making it costs more than all its requests.
        async with endpoint.async_client(timeout=_TIMEOUT) as client:
            while self.where() == endpoint:
                try:
                    await self._listen(client, opened)
                    failures = 0
                except httpx.ConnectError:
                    self._lost()
                except (httpx.HTTPError, ValueError) as error:
                    _log.debug("the event stream broke off: %s", error)
                opened.set()
                await anyio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
                failures += 1

    async def _listen(self, client: httpx.AsyncClient, opened: anyio.Event) -> None:
        params = {"after": self.after} | ({"fn_id": self.fn_id} if self.fn_id else {})
        async with client.stream("GET", "/nbfn/v1/events", params=params) as stream:
            stream.raise_for_status()
            opened.set()
            async for place, event in parse(stream.aiter_lines()):
                if event is not None and event.kind == MISSED and event.data.get("restarted") is True:
                    self._lost()
                self.after, self.heard = place or self.after, True
                if event is not None:
                    self._tell(event)

    def _lost(self) -> None:
        """The executor is gone, and its numbering with it."""
        if self.heard:
            self.heard, self.after = False, "0"
            self._tell(Event(seq=0, at=time.time(), kind=RESTARTED, fn_id=self.fn_id))

    def _tell(self, event: Event) -> None:
        try:
            self.observer(event)
        except Exception as error:  # whatever it is, it is the observer's own trouble
            _log.warning("an observer of %s raised and is dropped", event.kind, exc_info=True)
            raise _Dropped from error


async def parse(lines: AsyncIterable[str]) -> AsyncIterator[tuple[str, Event | None]]:
    """Ids and events from the lines of a server-sent stream; an id may stand alone.

    Comments, and what is no event, are passed over.
    """
    data: list[str] = []
    place = ""
    async for line in lines:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif line.startswith("id:"):
            place = line[3:].removeprefix(" ")
        elif not line:
            event = _event("\n".join(data)) if data else None
            if event is not None or (place and not data):
                yield place, event
            data, place = [], ""


def _event(text: str) -> Event | None:
    try:
        value: dict[str, Any] = json.loads(text)
        return Event(
            seq=int(value["seq"]),
            at=float(value["at"]),
            kind=str(value["kind"]),
            fn_id=str(value.get("fn_id") or ""),
            instance_id=str(value.get("instance_id") or ""),
            call_id=str(value.get("call_id") or ""),
            data=dict(value.get("data") or {}),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
