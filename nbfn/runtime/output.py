"""Standard output and error: passed on at once, and the end of what a call wrote kept for its answer."""

from __future__ import annotations

import io
import os
import sys
from _thread import allocate_lock

from .wire import OUTPUT_TAIL_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Tail:
    """The last bytes written since :meth:`begin`, from any thread."""

    def __init__(self, size: int = OUTPUT_TAIL_BYTES) -> None:
        self._size = size
        self._kept = bytearray()
        self._total = 0
        self._lock = allocate_lock()

    def begin(self) -> None:
        """Forget what was written: what comes now belongs to the next call."""
        if self._total:
            with self._lock:
                self._kept = bytearray()
                self._total = 0

    def add(self, data: bytes) -> None:
        with self._lock:
            self._total += len(data)
            self._kept += data[-self._size :]
            if len(self._kept) > 2 * self._size:  # cutting seldom keeps many small writes cheap
                del self._kept[: -self._size]

    def take(self) -> tuple[bytes, int]:
        """What is kept, and how many bytes were written before it."""
        if not self._total:
            return b"", 0
        with self._lock:
            kept = bytes(self._kept[-self._size :])
            return kept, self._total - len(kept)


class _Tee(io.RawIOBase):
    """A file descriptor that shows what is written to a :class:`Tail` too."""

    def __init__(self, fd: int, tail: Tail) -> None:
        self._fd = fd
        self._tail = tail

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return False

    def write(self, data: ReadableBuffer, /) -> int:
        copy = bytes(data)
        self._tail.add(copy)
        pass_on(self._fd, copy)
        return len(copy)


def pass_on(fd: int, data: bytes) -> None:
    """Write all of ``data`` to ``fd``, if anybody still reads it: printing never fails a call."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except OSError:
            return


def install() -> Tail:
    """Make ``sys.stdout`` and ``sys.stderr`` pass on what is written at once and keep its tail."""
    tail = Tail()
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = io.TextIOWrapper(
            _Tee(fd, tail),  # type: ignore[type-var]  # raw below text, as `python -u` itself does it
            encoding="utf-8",
            errors="backslashreplace",
            newline="\n",
            write_through=True,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    return tail
