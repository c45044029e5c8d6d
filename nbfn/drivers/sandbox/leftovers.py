"""Removing what an instance, or a whole executor that was killed, left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

from nbfn.drivers.sandbox.confine import proctree
from nbfn.drivers.sandbox.plans import ID_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_KILL_S = 3.0
_LOOK_S = 0.002


def sweep(run: Path, alive: Collection[str]) -> int:
    """Kill the processes and remove the folders in ``run`` of every instance not ``alive``."""
    try:
        folders = [folder for folder in run.iterdir() if folder.name not in alive]
    except FileNotFoundError:
        return 0
    kill_marked({folder.name for folder in folders})
    for folder in folders:
        remove(folder)
    return len(folders)


def kill_marked(instance_ids: Collection[str]) -> None:
    """Kill every process of these instances, found by their environment, until none is left. Blocks."""
    if not instance_ids:
        return
    until = time.monotonic() + _KILL_S
    while time.monotonic() < until:
        found = [pid for pid, value in proctree.marked(ID_VARIABLE).items() if value in instance_ids]
        if not found:
            return
        for pid in found:
            _kill(pid)
        time.sleep(_LOOK_S)  # on a busy machine a killed process takes a while to go


def remove(folder: Path) -> None:
    """Delete ``folder``, even where the instance took away its own right to enter it."""
    for inside, names, _ in os.walk(folder):
        for name in names:
            path = os.path.join(inside, name)  # noqa: PTH118 - os.walk speaks in strings
            if not os.path.islink(path):  # noqa: PTH114 - and its processes are gone: nobody swaps it
                with contextlib.suppress(OSError):
                    os.chmod(path, 0o700)  # noqa: PTH101
    shutil.rmtree(folder, ignore_errors=True)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # gone, or not ours after all
        os.kill(pid, signal.SIGKILL)
