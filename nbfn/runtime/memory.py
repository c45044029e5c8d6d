"""Memory that a call's two sides share (``docs/wire.md`` §2.6): only loaded once a call brings some.

The caller made it, and sent descriptors of it beside the call's headers: one to read arguments from, one to
write the result to. It takes them back when the answer says that nothing here holds on to them.
"""

from __future__ import annotations

import os
from mmap import mmap

from .errors import BadArguments
from .wire import POPULATE_WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_KEPT_MAX = 4


class Loan:
    """What one call brought."""

    __slots__ = ("_incoming", "outgoing")

    def __init__(self, incoming: mmap | None, outgoing: memoryview | None) -> None:
        self._incoming = incoming
        self.outgoing = outgoing
        """Where the result's buffers may go."""

    @property
    def incoming(self) -> memoryview | None:
        """Where the buffers of the arguments are."""
        return None if self._incoming is None else memoryview(self._incoming)

    def give_back(self) -> bool:
        """True if nothing of the function's refers to it any more."""
        self.outgoing = None
        if self._incoming is None:
            return True
        try:
            self._incoming.close()
        except BufferError:  # an argument was kept, and with it the memory
            return False
        return True


class Memory:
    """The memory that calls bring. What results are written to stays mapped for the calls that follow.

    Writing to pages for the first time after they were mapped costs more than the copy itself.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], mmap] = {}  # by device and inode, the one used last at the end

    @property
    def holds(self) -> bool:
        """True if there is something to :meth:`forget`."""
        return bool(self._kept)

    def take(self, told: str, descriptors: Sequence[int]) -> Loan:
        """What a call brought: its header, and the descriptors beside it (which stay the caller's own).

        Raises:
            BadArguments: the two do not fit together, or it cannot be mapped.
        """
        try:
            sizes = [int(size) for size in told.split()]
            reading, writing = sizes
            if len(descriptors) != bool(reading) + bool(writing):
                raise BadArguments("the memory that the call speaks of did not come with it")
            incoming = mmap(descriptors[0], reading) if reading else None
            outgoing = self._mapped(descriptors[-1], writing) if writing else None
        except (ValueError, OverflowError, OSError) as error:
            raise BadArguments(f"the call's memory cannot be used: {error}") from None
        return Loan(incoming, outgoing)

    def forget(self) -> None:
        """Keep nothing mapped: whoever made it may want it gone."""
        self._kept.clear()

    def _mapped(self, descriptor: int, size: int) -> memoryview:
        found = os.fstat(descriptor)
        identity = found.st_dev, found.st_ino  # its own for as long as it is mapped
        mapped = self._kept.pop(identity, None)
        if mapped is None or len(mapped) < size:
            mapped = mmap(descriptor, size)
            _populate(mapped)
        while len(self._kept) >= _KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[identity] = mapped
        return memoryview(mapped)[:size]


def _populate(mapped: mmap) -> None:
    try:
        mapped.madvise(POPULATE_WRITE)
    except OSError:  # of an older system: as they are written to, then
        return
