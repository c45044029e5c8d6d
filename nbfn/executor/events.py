"""What happened, in a ring that never waits for a reader.

A reader keeps its own place; one that is slower than 10,000 events, or 16 MB of output in them, skips what is
there no more, and sees it by the gap in ``seq``. Numbers begin anew with each executor: a place that outlives
one also says in which it was (:class:`Place`).
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from nbfn.spec import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

RING_EVENTS = 10_000
RING_CHARACTERS = 16_000_000
_NOTHING: dict[str, object] = {}
# What an Event is made of: made one only for readers, since every call emits five.
_Raw = tuple[Any, ...]
_NO_EVENT: _Raw = (0,)


_PLACE = re.compile(r"(?:([0-9a-f]{1,32})-)?([0-9]+)", re.ASCII)
_DIGITS = 18


class Place(NamedTuple):
    """Where a reader is: after the event ``seq`` of the executor that began at ``start``.

    Without a ``start`` it is whichever executor is asked.
    """

    start: str
    seq: int

    def __str__(self) -> str:
        return f"{self.start}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """What ``str`` made, or a bare number; None for anything else."""
        found = _PLACE.fullmatch(text)
        # Python reads no number of thousands of digits, and no event has one
        return cls(found[1] or "", int(found[2][:_DIGITS])) if found else None


class Told(Protocol):
    """Data of an event that is made into a mapping when it is read."""

    def told(self) -> Mapping[str, object]: ...


class Events:
    """The ring. Used from one event loop's thread."""

    def __init__(self, size: int = RING_EVENTS, characters: int = RING_CHARACTERS) -> None:
        self.start = f"{time.time_ns():x}"
        """Tells the events of this executor from those of the ones before and after it."""
        self._size = size
        self._ring: list[_Raw] = [_NO_EVENT] * size
        self._oldest, self._last = 1, 0
        self._characters, self._characters_max = 0, characters
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def last(self) -> int:
        """``seq`` of the newest event, 0 before the first."""
        return self._last

    @property
    def forgotten(self) -> int:
        """``seq`` of the newest event that is not kept any more; 0 if all are."""
        return max(self._last - self._size, self._oldest - 1)

    def emit(
        self,
        kind: str,
        fn_id: str = "",
        instance_id: str = "",
        call_id: str = "",
        data: Mapping[str, object] | Told = _NOTHING,
        characters: int = 0,
    ) -> None:
        """Add one event and wake the readers; ``characters``: how many its data has, if many."""
        self._last = seq = self._last + 1
        at = seq % self._size
        self._characters += characters - self._ring[at][0]
        self._ring[at] = (characters, seq, time.time(), kind, fn_id, instance_id, call_id, data)
        if self._characters > self._characters_max:
            self._let_go()
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    def after(self, seq: int, limit: int = 500) -> list[Event]:
        """At most ``limit`` events newer than ``seq``, oldest first.

        A ``seq`` that is yet to come was another executor's: everything is newer then.
        """
        start = max(seq if seq <= self._last else 0, self.forgotten) + 1
        end = min(start + limit, self._last + 1)
        return [_made(self._ring[at % self._size]) for at in range(start, end)]

    def _let_go(self) -> None:
        """Of the oldest, until what is left is not too much; never of the newest."""
        oldest = max(self._oldest, self._last - self._size + 1)
        while self._characters > self._characters_max and oldest < self._last:
            self._characters -= self._ring[oldest % self._size][0]
            self._ring[oldest % self._size] = _NO_EVENT
            oldest += 1
        self._oldest = oldest

    async def newer(self, seq: int) -> None:
        """Returns once there is an event newer than ``seq``."""
        while self._last <= seq:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            try:
                await future
            finally:
                if future in self._waiting:
                    self._waiting.remove(future)


def _made(raw: _Raw) -> Event:
    _, seq, at, kind, fn_id, instance_id, call_id, data = raw
    return Event(seq, at, kind, fn_id, instance_id, call_id, data if isinstance(data, dict) else data.told())
