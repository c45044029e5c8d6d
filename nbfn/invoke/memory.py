"""Memory that this process shares with an instance for one call (``docs/wire.md`` §2.6).

Large buffers then cross by one copy instead of six. A *sheet* is such memory: made here, seen by the instance
that runs the call and by nobody else, used again only for calls of the same deployment. It goes when its last
holder does, so nothing is left of it however this process ends.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from nbfn.runtime import wire

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbfn.spec import Deployment

NOT_SHARED = 422
"""Status of an executor that cannot see the memory it was told of. The call has not begun."""

LARGE_BYTES = 256 * 1024
"""Buffers that together are smaller go with the call's body, which is then as fast."""

KEPT_BYTES = min(512 << 20, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 8)
"""Sheets that are kept for the next calls, of all functions together."""

KEPT_S = 10.0
"""How long they are kept."""

_UNIT_BYTES = 1 << 20
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_SMALL_RESULTS_MAX = 8  # in a row, until no memory is brought for results any more


class Sheet:
    """Some memory that can be shared. Its size is sealed: nobody can take pages away under anybody's feet."""

    __slots__ = ("_descriptor", "inode", "put_away", "size", "view")

    def __init__(self, size: int) -> None:
        """Raises OSError: there is not so much memory, or there are no such descriptors here."""
        self.size = size = size + -size % _UNIT_BYTES
        self.put_away = 0.0
        self._descriptor = os.memfd_create(wire.MEMORY_NAME, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.posix_fallocate(self._descriptor, 0, size)  # or it would fail when it is written to
            fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, _SEALS)
            mapping = mmap.mmap(self._descriptor, size)
            self.inode = os.fstat(self._descriptor).st_ino
        except BaseException:
            os.close(self._descriptor)
            raise
        with suppress(OSError):  # of an older system
            mapping.madvise(wire.POPULATE_WRITE)  # all pages at once, not one by one
        self.view = memoryview(mapping)

    def told(self, size: int) -> str:
        """As the executor is told of ``size`` bytes of it."""
        return f"{self._descriptor} {self.inode} {size}"

    def close(self) -> None:
        """Let go of it. What still refers to its bytes keeps them."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            del self.view


class Loan:
    """The memory of one call. It ends with :meth:`settle`, or with :meth:`lose` if there is no answer."""

    __slots__ = ("_reading", "_reading_bytes", "_shelf", "_writing")

    def __init__(
        self, shelf: Shelf, reading: Sheet | None, reading_bytes: int, writing: Sheet | None
    ) -> None:
        self._shelf = shelf
        self._reading = reading
        self._reading_bytes = reading_bytes
        self._writing = writing

    @property
    def has_arguments(self) -> bool:
        """True if the buffers of the call are in it."""
        return self._reading is not None

    @property
    def header(self) -> str:
        """The call's header line."""
        reading = self._reading.told(self._reading_bytes) if self._reading is not None else "0 0 0"
        writing = self._writing.told(self._writing.size) if self._writing is not None else "0 0 0"
        return f"{wire.MEMORY_HEADER}: {reading} {writing}\r\n"

    def settle(self, headers: Mapping[str, str]) -> memoryview | None:
        """Take back what the answer gives back; the memory that holds its buffers, if any does.

        That is put back when nothing refers to it any more.
        """
        told = told_of(headers)
        if told is None:  # it may still be used by an instance that is being ended
            self.lose()
            return None
        reading, self._reading = self._reading, None
        writing, self._writing = self._writing, None
        if reading is not None:
            if told.is_free:
                self._shelf.put(reading)
            else:
                reading.close()
        if writing is None:
            return None
        if not told.is_beside or not 0 < told.size <= writing.size:
            self._shelf.put(writing)
            return None
        if told.size < writing.size // 4:  # it would hold on to much more than it needs
            memory = memoryview(bytearray(writing.view[: told.size]))
            self._shelf.put(writing)
            return memory
        return self._shelf.lend(writing, told.size)

    def lose(self) -> None:
        """The instance may still use it: it is nobody's here any more."""
        for sheet in (self._reading, self._writing):
            if sheet is not None:
                sheet.close()
        self._reading = self._writing = None


class Shelf:
    """The sheets for calls of one deployment. Several threads may use it."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._free: deque[Sheet] = deque()
        self._wanted = 0  # what results need
        self._small = 0
        self.shares = False
        """True once an instance has said that it takes memory."""

    def loan(self, buffers: Sequence[memoryview]) -> Loan | None:
        """Memory with ``buffers`` in it if they are large, and room for the result; None without any use."""
        size = wire.room_for(buffers)
        if not self.shares or self._memory.refused or (size < LARGE_BYTES and not self._wanted):
            return None
        self._memory.watch()
        reading = writing = None
        try:
            if size >= LARGE_BYTES:
                reading = self._take(size)
                wire.lay(buffers, reading.view)
            if self._wanted:
                writing = self._take(self._wanted)
        except OSError:  # no memory, or no descriptors: without it, then
            for sheet in (reading, writing):
                if sheet is not None:
                    sheet.close()
            return None
        return Loan(self, reading, size if reading is not None else 0, writing)

    def heard(self, headers: Mapping[str, str]) -> None:
        """An answer came: does its instance share memory, and how much did its result need?"""
        told = told_of(headers)
        self.shares = told is not None
        if told is None:
            self._memory.refused = headers.get(_HEADER) == "refused"
        elif told.size >= LARGE_BYTES:
            self._small = 0
            if not told.size <= self._wanted <= 4 * told.size:
                self._wanted = told.size + told.size // 16
        elif self._wanted:
            self._small += 1
            if self._small > _SMALL_RESULTS_MAX:
                self._wanted = 0

    def put(self, sheet: Sheet) -> None:
        """Keep it for the next call, or let it go. May be called by the garbage collector."""
        if self._memory.keeps(sheet):
            sheet.put_away = time.monotonic()
            self._free.append(sheet)
        else:
            sheet.close()

    def lend(self, sheet: Sheet, size: int) -> memoryview:
        """The first ``size`` bytes; the sheet is put back when nothing refers to them."""
        lent = (ctypes.c_char * size).from_buffer(sheet.view)
        weakref.finalize(lent, self.put, sheet).atexit = False
        return memoryview(lent).cast("B")

    def sweep(self, before: float) -> None:
        """Let go of sheets that were put away before then."""
        for _ in range(len(self._free)):
            try:
                sheet = self._free.popleft()
            except IndexError:
                return
            if sheet.put_away < before:
                sheet.close()
            else:
                self._free.append(sheet)

    @property
    def kept_bytes(self) -> int:
        """In sheets that are free."""
        return sum(sheet.size for sheet in list(self._free))

    def _take(self, size: int) -> Sheet:
        """A sheet of at least ``size``, though not a much larger one. Raises OSError."""
        for _ in range(len(self._free)):
            try:
                sheet = self._free.pop()
            except IndexError:
                break
            if size <= sheet.size <= 4 * size + _UNIT_BYTES:
                return sheet
            self._free.appendleft(sheet)
        return Sheet(size)


class Memory:
    """All that a caller shares. Close it."""

    def __init__(self) -> None:
        self.refused = False
        """True once the executor could not share any: it is in another container, say."""
        self._shelves: dict[bytes, Shelf] = {}
        self._process = os.getpid()
        self._sweeper: threading.Timer | None = None
        self._closed = False

    def shelf(self, deployment: Deployment) -> Shelf:
        """Where the sheets for its calls are. No other deployment's instances ever see them."""
        if self._process != os.getpid():  # forked: those sheets are the parent's
            self._shelves, self._sweeper = {}, None
            self._process = os.getpid()
        shelf = self._shelves.get(deployment.key)
        if shelf is None:
            shelf = self._shelves.setdefault(deployment.key, Shelf(self))
        return shelf

    def keeps(self, sheet: Sheet) -> bool:
        """True if there is room for one more on the shelves, and somebody who clears them."""
        if self._sweeper is None or self._process != os.getpid():
            return False
        return sum(shelf.kept_bytes for shelf in list(self._shelves.values())) + sheet.size <= KEPT_BYTES

    def watch(self) -> None:
        """From now on somebody clears the shelves."""
        if self._sweeper is None and not self._closed:
            self._sweeper = sweeper = threading.Timer(KEPT_S, self._sweep)
            sweeper.daemon = True
            sweeper.start()

    def close(self) -> None:
        """Let go of what is kept."""
        self._closed = True
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None:
            sweeper.cancel()
        for shelf in list(self._shelves.values()):
            shelf.sweep(float("inf"))

    def _sweep(self) -> None:
        shelves = list(self._shelves.values())
        for shelf in shelves:
            shelf.sweep(time.monotonic() - KEPT_S)
        self._sweeper = None
        if any(shelf.kept_bytes for shelf in shelves):
            self.watch()


_HEADER = wire.MEMORY_HEADER.lower()


class Told(NamedTuple):
    """What an answer says of memory."""

    size: int
    """Bytes that its result's buffers take."""
    is_beside: bool
    """They are in the memory that the call brought for them."""
    is_free: bool
    """The memory that the arguments were in is used by nobody any more."""


def told_of(headers: Mapping[str, str]) -> Told | None:
    """None if it says nothing: it is not an instance's own."""
    words = headers.get(_HEADER, "").split()
    if len(words) != 3 or not words[0].isdecimal() or len(words[0]) > 15:
        return None
    return Told(int(words[0]), words[1] == "beside", words[2] == "free")
