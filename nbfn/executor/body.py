"""A request's body on its way: read from one connection, written to another, never whole in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

HOLD_BYTES = 65536
"""A body up to this size is gathered first and sent in one piece; of a longer one not much more is kept."""


class Source(Protocol):
    """Where it comes from."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Sink(Protocol):
    """Where it goes."""

    def put(self, data: bytes) -> None: ...

    def put_end(self) -> None: ...


class Body:
    """Keeps what comes until there is somewhere to send it; its source waits when that is too much."""

    __slots__ = ("_kept", "_paused", "_pieces", "_sink", "_source", "_thrown", "complete", "length")

    def __init__(self, length: int | None, source: Source | None = None) -> None:
        self.length = length
        """Bytes in all; None if it comes in chunks, and nobody knows."""
        self.complete = False
        """All of it has come."""
        self._source = source
        self._pieces: list[bytes] = []
        self._kept = 0
        self._sink: Sink | None = None
        self._thrown = False
        self._paused = False

    @classmethod
    def of(cls, pieces: Iterable[bytes]) -> Body:
        """One that is there."""
        body = cls(None)
        body._pieces = list(pieces)
        body._kept = body.length = sum(map(len, body._pieces))
        body.complete = True
        return body

    # The source's side

    def feed(self, data: bytes) -> None:
        """Some more of it came."""
        if self._sink is not None:
            self._sink.put(data)
        elif not self._thrown:
            self._pieces.append(data)
            self._kept += len(data)
            if self._kept > HOLD_BYTES:
                self.pause()

    def end(self) -> None:
        """That was all."""
        self.complete = True
        self.resume()
        if self._sink is not None:
            self._sink.put_end()

    # The sink's side

    @property
    def small(self) -> bool:
        """True if it is known to be small enough to be gathered before anything is done with it."""
        return self.length is not None and self.length <= HOLD_BYTES

    @property
    def kept(self) -> int:
        """Bytes that wait here."""
        return self._kept

    def take(self) -> list[bytes]:
        """What is here; it is then no longer here."""
        pieces, self._pieces, self._kept = self._pieces, [], 0
        return pieces

    def flow(self, sink: Sink) -> None:
        """Send what is here, and from now on what comes, there."""
        self._sink = sink
        for piece in self.take():
            sink.put(piece)
        if self.complete:
            sink.put_end()
        self.resume()

    def throw_away(self) -> None:
        """Nobody wants it: what is here and what still comes."""
        self._sink, self._thrown = None, True
        self.take()
        self.resume()

    def pause(self) -> None:
        """No more for now."""
        if self._source is not None and not self._paused and not self.complete:
            self._paused = True
            self._source.pause_reading()

    def resume(self) -> None:
        """More may come."""
        if self._source is not None and self._paused:
            self._paused = False
            self._source.resume_reading()
