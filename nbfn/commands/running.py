"""Is an executor running for a state folder, and which? The lock that it holds tells, not a file it left."""

from __future__ import annotations

import fcntl
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.errors import ExecutorError, StateError

if TYPE_CHECKING:
    from nbfn.config import Settings
    from nbfn.transport import Endpoint


@dataclass(frozen=True, slots=True)
class Running:
    """The executor that holds the lock. ``endpoint`` is None while it does not listen (yet, or any more)."""

    pid: int
    endpoint: Endpoint | None


def running(settings: Settings) -> Running | None:
    """The executor of ``settings.state``, or None. Raises StateError if the folder cannot be read."""
    path = settings.state / "executor.lock"
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = file.read().strip()
                return Running(int(pid) if pid.isdigit() else 0, _endpoint(settings))
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror}", hint="check who owns it") from error
    return None


def _endpoint(settings: Settings) -> Endpoint | None:
    from nbfn.transport import Endpoint  # brings httpx, 0.1 s, which `nbfn --help` need not wait for

    try:
        note = json.loads((settings.state / "executor.json").read_text())
    except FileNotFoundError:
        return None
    try:
        token = settings.token_file.read_text().strip()
    except OSError as error:
        raise ExecutorError(
            f"cannot read the token file {settings.token_file}: {error.strerror}",
            hint="set NBFN_TOKEN_FILE to the file that the executor was started with",
        ) from error
    return Endpoint(url=note["url"], socket=Path(note["socket"]), token=token)
