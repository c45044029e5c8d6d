"""Processes below a process, and the memory they hold, from ``/proc``."""

from __future__ import annotations

import contextlib
import os

from . import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


def _read(path: str) -> bytes:
    """The file's content, or nothing if the process has gone or may not be looked at."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        parts = []
        while part := os.read(opened, 65536):
            parts.append(part)
        return b"".join(parts)
    except OSError:
        return b""
    finally:
        os.close(opened)


def _read_private(pid: int | str, name: str) -> bytes:
    """A file that only a process's owner may read: not root either, without CAP_SYS_PTRACE."""
    found = _read(f"/proc/{pid}/{name}")
    if found or os.geteuid() != 0:
        return found
    try:
        owner = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return b""
    if owner == 0:
        return b""
    with linux.files_as(owner):
        return _read(f"/proc/{pid}/{name}")


def children(pid: int) -> list[int]:
    """Children of every thread of ``pid``."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        found += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    return found


def descendants(pid: int) -> list[int]:
    """Every process below ``pid``, parents first; some may be gone when this returns."""
    found, seen = children(pid), {pid}
    for process in found:
        if process not in seen:
            seen.add(process)
            found += children(process)
    return list(dict.fromkeys(found))


def resident_bytes(pids: Iterable[int]) -> int:
    """Pages they hold that no file backs. Cheap; counts what a fork shares once for each."""
    total = 0
    for pid in pids:
        fields = _read(f"/proc/{pid}/statm").split()
        if len(fields) > 2:
            total += (int(fields[1]) - int(fields[2])) * _PAGE
    return total


def shared_memory_bytes(pids: Iterable[int]) -> int:
    """Shared memory (``/dev/shm``, memfd) that they have touched, at most: it is not split up."""
    return max((_status_kb(pid, b"RssShmem:") for pid in pids), default=0) << 10


def proportional_bytes(pids: Iterable[int]) -> int:
    """Memory no file backs, each shared page split among its holders. Exact, and dearer."""
    total = 0
    for pid in pids:
        found = False
        for line in _read_private(pid, "smaps_rollup").splitlines():
            if line.startswith((b"Pss_Anon:", b"Pss_Shmem:")):
                total += int(line.split()[1]) << 10
                found = True
        if not found:
            total += _status_kb(pid, b"RssAnon:") + _status_kb(pid, b"RssShmem:") << 10
    return total


def private_bytes(pids: Iterable[int]) -> int:
    """Memory that nobody else holds too; the resident size where the system does not tell."""
    total = 0
    for pid in pids:
        rollup = _read_private(pid, "smaps_rollup")
        if rollup:
            for line in rollup.splitlines():
                if line.startswith((b"Private_Clean:", b"Private_Dirty:")):
                    total += int(line.split()[1]) << 10
        else:
            total += _status_kb(pid, b"VmRSS:") << 10
    return total


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds that they, and those of their children that have ended, have used."""
    ticks = 0
    for pid in pids:
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        if len(fields) > 14:
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS


def marked(name: str) -> dict[int, str]:
    """Value of the environment variable ``name`` of every process that began with it, by process id."""
    start = name.encode() + b"="
    found = {}
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            for item in _read_private(pid, "environ").split(b"\0"):
                if item.startswith(start):
                    found[int(pid)] = os.fsdecode(item[len(start) :])
    return found


def of_users(uids: Container[int]) -> list[int]:
    """Processes of these users."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):  # it has gone
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid in uids:
                found.append(int(name))
    return found


def tasks_of(uid: int) -> int:
    """How many threads the user ``uid`` runs now."""
    total = 0
    for pid in of_users((uid,)):
        with contextlib.suppress(OSError):
            total += len(os.listdir(f"/proc/{pid}/task"))
    return total


def _status_kb(pid: int, field: bytes) -> int:
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    return 0
