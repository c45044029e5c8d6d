"""The group of one instance: a folder in each hierarchy."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PROCESSES_FILE = "cgroup.procs"
_END_S = 2.0
_LOOK_S = 0.002
_ROUNDING_BYTES = 1 << 20  # each processor keeps some pages charged in advance


@dataclass(frozen=True, slots=True)
class Group:
    """Made by :meth:`.Groups.make`. ``end`` it."""

    version: int
    memory: Path
    pids: Path
    """The same folder as ``memory`` in version 2."""
    cpu: Path | None = None
    """In version 1, where it can be had: however many processes are in it, they count as one."""

    @property
    def folders(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(filter(None, (self.memory, self.pids, self.cpu))))

    @contextlib.contextmanager
    def doors(self) -> Iterator[Sequence[int]]:
        """Descriptors through which a process enters by writing ``0``; the right to do so goes with them."""
        opened: list[int] = []
        try:
            opened.extend(os.open(f / PROCESSES_FILE, os.O_WRONLY | os.O_CLOEXEC) for f in self.folders)
            yield opened
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def limit(self, memory_mb: int, processes: int) -> None:
        """Set what all its processes together may hold.

        Raises:
            OSError: the kernel refused.
        """
        size = str(memory_mb << 20)
        if self.version == 2:
            _write(self.memory / "memory.max", size)
            _write_if_there(self.memory / "memory.swap.max", "0")
            _write_if_there(self.memory / "memory.oom.group", "1")
        else:
            _write(self.memory / "memory.limit_in_bytes", size)
            _write_if_there(self.memory / "memory.memsw.limit_in_bytes", size)
        _write(self.pids / "pids.max", str(processes))

    def killed_for_memory(self) -> bool:
        """True if the kernel killed one of its processes because there was no memory left."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return _counter(self.memory / name, "oom_kill") > 0

    def reached_its_limit(self) -> bool:
        """True if its own limit was met; False: a kill was for want of memory of the whole machine."""
        if self.version == 2:
            return _counter(self.memory / "memory.events", "oom") > 0
        # Not memory.failcnt, which newer kernels leave at 0.
        most = _number(self.memory / "memory.max_usage_in_bytes")
        return most + _ROUNDING_BYTES >= _number(self.memory / "memory.limit_in_bytes")

    def refused_a_process(self) -> bool:
        """True if it wanted more processes than it may have."""
        return _counter(self.pids / "pids.events", "max") > 0

    def end(self) -> bool:
        """Kill what is in it and remove it; False if that did not work in two seconds. Blocks."""
        until = time.monotonic() + _END_S
        while True:
            self.kill()
            if all(_removed(folder) for folder in self.folders):
                return True
            if time.monotonic() > until:
                return False
            time.sleep(_LOOK_S)

    def kill(self) -> None:
        """Kill every process in it."""
        for folder in self.folders:
            for word in _read(folder / PROCESSES_FILE).split():
                if int(word):  # 0: of a pid namespace that this process does not see
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(int(word), signal.SIGKILL)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _write(path: Path, text: str) -> None:
    opened = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(opened, text.encode())
    except OSError as error:
        raise OSError(error.errno, f"{path}: {error.strerror}") from None
    finally:
        os.close(opened)


def _write_if_there(path: Path, text: str) -> None:
    """Kernels may be built without swap accounting."""
    with contextlib.suppress(OSError):
        _write(path, text)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _number(path: Path) -> int:
    return int(_read(path) or 0)


def _counter(path: Path, name: str) -> int:
    for line in _read(path).splitlines():
        key, _, value = line.partition(b" ")
        if key == name.encode():
            return int(value)
    return 0
