"""Memory that a caller shares with the instance that runs its call (``docs/wire.md`` §2.6).

The caller says which of its own descriptors it is; the kernel says who the caller is. So the executor opens
what is behind ``/proc/PID/fd/N`` and passes it on, to that instance and nobody else.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from nbfn.runtime.wire import MEMORY_NAME

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_LINK = f"/memfd:{MEMORY_NAME} (deleted)"


class NotShared(Exception):
    """The memory cannot be used; the caller sends its body instead."""


class Told(NamedTuple):
    """One piece of memory, as its owner speaks of it."""

    descriptor: int
    inode: int
    size: int


@dataclass(slots=True)
class Memory:
    """What one call brought. Close it when the call is over."""

    reading: int
    """Bytes that hold the arguments."""
    writing: int
    """Bytes that there are for the result."""
    descriptors: list[int] = field(default_factory=list)

    @property
    def told(self) -> bytes:
        """As the instance is told."""
        return b"%d %d" % (self.reading, self.writing)

    def close(self) -> None:
        """The caller's and the instance's own stay open."""
        while self.descriptors:
            os.close(self.descriptors.pop())


def pid_of(sock: socket.socket) -> int:
    """Whose process is at the other end of ``sock``, as the kernel tells; 0 if it does not."""
    if sock.family != socket.AF_UNIX:
        return 0
    told = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(told)[0])


def borrow(pid: int, value: bytes) -> Memory:
    """What the header ``value`` of a call by process ``pid`` means.

    Raises:
        NotShared: it is not there, or not what it should be.
    """
    pieces = parse(value)
    memory = Memory(pieces[0].size, pieces[1].size)
    try:
        for piece in pieces:
            if piece.size:
                memory.descriptors.append(_open(pid, piece))
    except OSError as error:
        memory.close()
        raise NotShared(error.strerror or str(error)) from None
    except NotShared:
        memory.close()
        raise
    return memory


def parse(value: bytes) -> tuple[Told, Told]:
    """Six numbers: descriptor, inode and bytes to read from, and to write to. Raises NotShared."""
    words = value.split()
    if len(words) != 6 or not all(word.isdigit() and len(word) < 20 for word in words):
        raise NotShared("its header is not six numbers")
    numbers = [int(word) for word in words]
    return Told(*numbers[:3]), Told(*numbers[3:])


def _open(pid: int, piece: Told) -> int:
    path = f"/proc/{pid}/fd/{piece.descriptor}"
    if os.readlink(path) != _LINK:  # noqa: PTH115 - text, not a path; other things may block, or act, when opened
        raise NotShared("the descriptor is not of such memory")
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    found, seals = os.fstat(descriptor), fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
    if found.st_ino == piece.inode and found.st_size >= piece.size and seals & _SEALS == _SEALS:
        return descriptor
    os.close(descriptor)
    raise NotShared("it is other memory than the caller speaks of, or its size is not sealed")
