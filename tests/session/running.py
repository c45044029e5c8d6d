"""Executors of tests: found by their state folder, ended for certain."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn import local
from nbfn.errors import ExecutorError

if TYPE_CHECKING:
    from nbfn.config import Settings


def pid_of(settings: Settings) -> int:
    """Process id of the executor that runs there."""
    return int(json.loads((settings.state / "executor.json").read_text())["pid"])


def kill(settings: Settings) -> None:
    """SIGKILL, as when memory ran out. Returns when it is dead."""
    os.kill(pid_of(settings), signal.SIGKILL)
    wait_until_gone(settings)


def wait_until_gone(settings: Settings) -> None:
    """Returns when no executor runs there: the system frees its lock when the process ends."""
    with (settings.state / "executor.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def stop(settings: Settings) -> None:
    """Ask it to stop, if one runs, and wait until it has."""
    with suppress(ExecutorError):
        endpoint = local.find(settings)
        if endpoint is not None:
            with endpoint.client(timeout=10.0) as client:
                client.post("/nbfn/v1/stop", params={"grace_s": "0"}).raise_for_status()
            wait_until_gone(settings)


def processes_of(settings: Settings) -> list[str]:
    """Command lines of the processes that were started with this state folder in their environment."""
    mark = os.fsencode(settings.state)
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with suppress(OSError):
            if mark in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found
