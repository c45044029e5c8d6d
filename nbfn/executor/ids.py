"""Fn's ids and times: 26 characters that sort by time, and RFC 3339 with milliseconds."""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Two characters at a time: an id is made for every call.
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_SHIFTS = tuple(range(120, 19, -10))
_LENGTH = 26
_PROCESS = int.from_bytes(os.urandom(6), "big") << 32
_counter = itertools.count(1)
_latest = ((0, 0), "")


def new_id() -> str:
    """An id as Fn makes them: milliseconds (48 bits), this process (48), a counter (32)."""
    global _latest
    now, count = time.time_ns() // 1_000_000, next(_counter) & 0xFFFFFFFF
    key = now, count >> 20
    if _latest[0] != key:  # all but the last 20 bits stay the same for a millisecond
        number = now << 80 | _PROCESS | count
        _latest = key, "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])
    return f"{_latest[1]}{_PAIRS[count >> 10 & 1023]}{_PAIRS[count & 1023]}"


def is_id(text: str) -> bool:
    """True if ``text`` has the form of an id."""
    return len(text) == _LENGTH and text[0] in "01234567" and not text.strip(_ALPHABET)


class Recent:
    """The last ids that were used, so that none is used twice."""

    def __init__(self, size: int) -> None:
        self._order: deque[str] = deque()
        self._ids: set[str] = set()
        self._size = size

    def __contains__(self, used: str) -> bool:
        return used in self._ids

    def add(self, used: str) -> None:
        """Remember it, and forget the oldest if there are too many."""
        self._ids.add(used)
        self._order.append(used)
        if len(self._order) > self._size:
            self._ids.discard(self._order.popleft())

    def update(self, used: Iterable[str]) -> None:
        """Remember all of these, oldest first."""
        for each in used:
            self.add(each)


def timestamp(at: float | None = None) -> str:
    """``at`` (seconds since the epoch, default now) as ``2026-11-24T12:24:46.123Z``."""
    millis = time.time_ns() // 1_000_000 if at is None else int(at * 1000)
    seconds, rest = divmod(millis, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03d}Z"


def deadline(at: float) -> str:
    """``at`` as Fn writes ``Fn-Deadline``: whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
