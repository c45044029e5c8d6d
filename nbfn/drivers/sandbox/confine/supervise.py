"""Waiting for an instance while listening to the driver and looking at its memory."""

from __future__ import annotations

import os
import select
import signal
import time

from . import proctree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

TERMINATE, KILL = b"T", b"K"
"""What the driver may write on the control socket. Its end means KILL."""

# A process fills memory at 1-2 GB/s, so with this much room left it need not be looked at yet.
_FILL_BYTES_PER_S = 2 << 30
_SHORTEST_S, _LONGEST_S = 0.02, 0.5


class Watch:
    """Looks at what the processes below ``pids()`` hold, as often as their room asks for."""

    def __init__(self, members: Callable[[], list[int]], memory_mb: int, processes: int) -> None:
        self._members = members
        self._limit = memory_mb << 20
        self._processes = processes
        self.over: Literal["", "memory", "processes"] = ""
        self.delay_s = _SHORTEST_S

    def exceeded(self) -> bool:
        """True once they are over a limit; ``over`` says which."""
        pids = self._members()
        used = proctree.resident_bytes(pids) + proctree.shared_memory_bytes(pids)
        if used > self._limit:
            used = proctree.proportional_bytes(pids)  # shared pages were counted more than once
        if used > self._limit:
            self.over = "memory"
        elif self._processes and len(pids) > self._processes:
            self.over = "processes"
        self.delay_s = min(max((self._limit - used) / _FILL_BYTES_PER_S, _SHORTEST_S), _LONGEST_S)
        return bool(self.over)


def listen_to_signals() -> int:
    """Catch SIGTERM and SIGCHLD from now on; returns the descriptor that tells of them."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return reader


def forget_signals() -> None:
    """Back to every signal's default, as a program expects to find them."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def until_ended(main: int, control: int, signals: int, watch: Watch | None = None) -> int:
    """Wait for ``main``, reaping every other child, and return its status as ``waitpid`` says it.

    SIGTERM, and TERMINATE on ``control``, are passed on to it; KILL there, its end, or a limit that is
    exceeded kills it.
    """
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(signals, select.POLLIN)
    looked = time.monotonic()
    while True:
        status = _reap(main)
        if status is not None:
            return status
        wait_s = max(0.0, looked + watch.delay_s - time.monotonic()) if watch else 0.0
        ready = dict(poll.poll(wait_s * 1000 if watch else None))
        if signals in ready and signal.SIGTERM in os.read(signals, 512):
            _send(main, signal.SIGTERM)
        if control in ready:
            told = os.read(control, 64)
            if not told or KILL in told:
                _send(main, signal.SIGKILL)
                if not told:
                    poll.unregister(control)
            elif TERMINATE in told:
                _send(main, signal.SIGTERM)
        # By the clock, not when nothing else happens: children that end all the time must not hide anything.
        if watch and (now := time.monotonic()) >= looked + watch.delay_s:
            looked = now
            if watch.exceeded():
                _send(main, signal.SIGKILL)
                watch = None  # it is dying; what it was over is kept by the caller


def end_all_below() -> None:
    """Kill every descendant of this process until none is left.

    They are all stopped first, so that one that keeps forking does not outrun its killer.
    """
    while True:
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in proctree.descendants(os.getpid()):
                _send(pid, number)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _reap(main: int) -> int | None:
    """Status of ``main`` if it has ended; collects every child that has."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == main:
            found = status


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
    except PermissionError:
        pass  # it changed its user: only a set-uid program can, and the namespace ends those
