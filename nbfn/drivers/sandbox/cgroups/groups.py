"""The executor's folder of groups: found, tried out, filled, swept and removed."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
import subprocess
from pathlib import Path

from nbfn.drivers.sandbox.cgroups import places, unified
from nbfn.drivers.sandbox.cgroups.group import Group

_log = logging.getLogger(__name__)

_PREFIX = "nbfn-of-"
_TRY_MB = 64
# As the function's user where this one is root: before Linux 5.17 it was the writer who needed the right.
_ENTER = """
import os, sys
if os.geteuid() == 0:
    os.setuid(1000)
for door in sys.argv[1:]:
    os.write(int(door), b"0")
"""


_tried: set[Path] = set()
"""Where it has worked: once is enough for a process, machines do not change their mind."""


class Unavailable(Exception):
    """No group can be made here; says why."""


class Groups:
    """Made by :meth:`find`; ``make`` from one event loop."""

    def __init__(self, version: int, memory: Path, pids: Path, cpu: Path | None) -> None:
        self.version = version
        self._memory = memory
        self._pids = pids
        self._cpu = cpu
        self._alive: set[str] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._complained = False
        self._lock = -1

    def __repr__(self) -> str:
        return f"<groups in {self._memory}>"

    @classmethod
    def find(cls, mark: str, executable: Path, proc: Path = Path("/proc/self")) -> Groups:
        """The folder ``nbfn-of-MARK``, in which a process of ``executable`` has been limited on trial.

        Raises:
            Unavailable: there is none in which that works.
        """
        try:
            found = places.hierarchies((proc / "cgroup").read_text(), (proc / "mountinfo").read_text())
        except OSError as error:
            raise Unavailable(str(error)) from error
        chosen = places.choose(found)
        if chosen is None:
            raise Unavailable(f"no {' and '.join(places.NEEDED)} hierarchy is mounted here")
        first, name = chosen["memory"], f"{_PREFIX}{mark}"
        reasons: list[str] = []
        for top in unified.tops(first) if first.version == 2 else [Path(first.own)]:
            if first.version == 2:
                groups = cls(2, top / name, top / name, None)
            else:
                fair = chosen.get(places.FAIR)
                cpu = Path(fair.own) / name if fair and os.access(fair.own, os.W_OK) else None
                groups = cls(1, top / name, Path(chosen["pids"].own) / name, cpu)
            try:
                groups._set_up(top)
                groups._lock = _lock(groups._memory)
                if top not in _tried:
                    groups._try(executable)
                    _tried.add(top)
            except OSError as error:
                groups._leave()
                reasons.append(str(error))
            else:
                groups._remove_forsaken()
                return groups
        raise Unavailable("; ".join(reasons))

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where its groups are."""
        return tuple(dict.fromkeys(filter(None, (self._memory, self._pids, self._cpu))))

    def make(self) -> Group | None:
        """A new one, without limits yet; None if there can be no more, which is logged once."""
        try:
            return self._make(secrets.token_hex(8))
        except OSError as error:
            if not self._complained:
                self._complained = True
                _log.warning("instances are not limited by cgroups: %s", error)
            return None

    def discard(self, group: Group) -> None:
        """End it, in the background."""
        task = asyncio.create_task(self._end(group))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def sweep(self) -> int:
        """End the groups that another executor left, and whatever is in them; how many. Blocks."""
        there = [folder for folder in self.folders if folder.is_dir()]
        found = {path.name for folder in there for path in folder.iterdir() if path.is_dir()}
        left = found - self._alive
        for name in left:
            self._named(name).end()
        return len(left)

    async def close(self) -> None:
        """Wait for those that are ending, and remove the folders."""
        while self._ending:
            await asyncio.wait(self._ending)
        self._leave()

    async def _end(self, group: Group) -> None:
        if not await asyncio.to_thread(group.end):
            _log.warning("%s could not be removed: a process in it does not end", group.memory)
        self._alive.discard(group.memory.name)

    def _remove_forsaken(self) -> None:
        """Folders of executors that were killed, and whose state folder may never see another."""
        for other in self._memory.parent.glob(f"{_PREFIX}*"):
            if other == self._memory or (held := _lock(other)) < 0:
                continue
            try:
                folders = [folder.with_name(other.name) for folder in self.folders]
                left = Groups(self.version, folders[0], folders[1 % len(folders)], (*folders, None, None)[2])
                left.sweep()
                left._remove_folders()
            finally:
                os.close(held)

    def _named(self, name: str) -> Group:
        cpu = self._cpu / name if self._cpu else None
        return Group(self.version, self._memory / name, self._pids / name, cpu)

    def _make(self, name: str) -> Group:
        group = self._named(name)
        self._alive.add(name)
        try:
            for folder in group.folders:
                folder.mkdir()
        except OSError:
            group.end()
            self._alive.discard(name)
            raise
        return group

    def _set_up(self, top: Path) -> None:
        if self.version == 2:
            unified.enable(top)
        for folder in self.folders:
            folder.mkdir(exist_ok=True)
        if self.version == 2:
            unified.enable(self._memory)

    def _try(self, executable: Path) -> None:
        group = self._make(f"try-{secrets.token_hex(4)}")
        try:
            group.limit(_TRY_MB, 16)
            with group.doors() as doors:
                done = subprocess.run(
                    [str(executable), "-S", "-I", "-c", _ENTER, *map(str, doors)],
                    pass_fds=doors,
                    capture_output=True,
                    check=False,
                )
            if done.returncode:
                said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason"]
                raise OSError(f"{group.memory}: a process may not enter: {said[-1]}")
        finally:
            group.end()
            self._alive.discard(group.memory.name)

    def _leave(self) -> None:
        """All as it was found."""
        self._remove_folders()
        if self.version == 2:
            unified.give_back(self._memory.parent)

    def _remove_folders(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        for folder in self.folders:
            with contextlib.suppress(OSError):  # never made, or another executor's groups are in it
                folder.rmdir()


def _lock(folder: Path) -> int:
    """A descriptor whose end gives ``folder`` back; -1 if somebody has it, or it is not to be had."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return -1
    return opened
