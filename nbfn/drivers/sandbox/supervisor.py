"""What stands between the driver and one instance, however that was started."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import socket
    import subprocess


class Watcher(Protocol):
    """The process that watches over an instance."""

    @property
    def pid(self) -> int: ...

    def kill(self) -> None: ...

    def wait(self) -> int:
        """Returns when it has ended: its exit code, or the negative number of its signal. Blocks."""
        ...


@dataclass(frozen=True, slots=True)
class Supervisor:
    """A watcher, the driver's end of its control socket, and the read ends of what the instance writes."""

    watcher: Watcher
    control: socket.socket
    stdout: int
    stderr: int
    ready: int | None = None
    """Where it says that it is ready; None if a link beside its socket does."""


class Spawned:
    """A watcher that is this process's own child."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int:
        return self._process.wait()


class Forked:
    """A watcher that a zygote forked: not a child of this process, so it is held by a descriptor."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    @property
    def living(self) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return not poll.poll(0)

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def wait(self) -> int:
        """Its exit code is its parent's to know: one that told nothing before its end was killed."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        poll.poll()
        self.close()
        return -signal.SIGKILL

    def close(self) -> None:
        """Let go of it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
