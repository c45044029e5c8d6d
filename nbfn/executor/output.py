"""What an instance writes, cut into pieces of text and given to the call that it was written in."""

from __future__ import annotations

import asyncio
import codecs
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.drivers.base import OutputStream

CALL_BYTES = 1 << 20  # as much as Fn keeps of a call
_PIECE_CHARS = 8192
_DRAIN_S = 0.25
# What comes so soon after an answer was most likely on its way: by a daemon it takes longer than a call.
_LATE_S = 0.25


class Output:
    """The output of one instance. ``keep`` gets each piece: stream, text, call id."""

    def __init__(self, keep: Callable[[str, str, str], None]) -> None:
        self._keep = keep
        self._decoders: dict[OutputStream, codecs.IncrementalDecoder] = {}
        self._call_id = ""
        self._last: tuple[str, float] = ("", 0.0)
        self._seen = 0
        self._expected = 0
        self._arrived: asyncio.Future[None] | None = None

    def begin(self, call_id: str) -> None:
        """From here on what is written belongs to ``call_id`` (empty: to none, but for what is late)."""
        if call_id:
            self._seen = 0
        elif self._call_id:
            self._last = self._call_id, time.monotonic() + _LATE_S
        self._call_id = call_id

    def write(self, stream: OutputStream, data: bytes) -> None:
        """Some bytes came. Never blocks or raises."""
        decoder = self._decoders.get(stream)
        if decoder is None:
            decoder = self._decoders[stream] = codecs.getincrementaldecoder("utf-8")("replace")
        call_id = self._call_id or self._late()
        before, self._seen = self._seen, self._seen + len(data)
        if before < CALL_BYTES:
            text = decoder.decode(data)
            for at in range(0, len(text), _PIECE_CHARS):
                self._keep(stream, text[at : at + _PIECE_CHARS], call_id)
            if self._seen >= CALL_BYTES:
                self._keep(stream, f"\n[what follows the first {CALL_BYTES} bytes is left out]\n", call_id)
        if self._arrived is not None and self._seen >= self._expected and not self._arrived.done():
            self._arrived.set_result(None)

    def _late(self) -> str:
        """The call that has just ended; none, if that is a while ago."""
        call_id, until = self._last
        if call_id and time.monotonic() < until:
            return call_id
        if call_id:
            self._last, self._seen = ("", 0.0), 0
        return ""

    async def drained(self, expected: int) -> None:
        """Returns when ``expected`` bytes of the call have come, and whatever else was ready to be read.

        The answer came over another channel: what was written before it may still be on its way. An
        instance that says it wrote more than ever comes is waited for a quarter of a second.
        """
        if self._seen < expected:
            loop = asyncio.get_running_loop()
            self._expected, self._arrived = expected, loop.create_future()
            timer = loop.call_later(_DRAIN_S, _give_up, self._arrived)
            try:
                await self._arrived
            finally:
                timer.cancel()
                self._arrived = None
        # The pipe was readable before the answer was: two turns of the loop read what is in it.
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def _give_up(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
