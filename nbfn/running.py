"""Is an executor running for a state folder, and which? The lock that it holds tells, not a file it left.

And ending it: by asking, or by signals if it does not listen.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.errors import ExecutorError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.config import Settings
    from nbfn.transport import Endpoint


_ANSWER_TIMEOUT_S = 3.0
_TAKE_DOWN_S = 15.0  # what it may take beyond the grace
_POLL_S = 0.02


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


def stop_running(
    settings: Settings,
    found: Running,
    *,
    grace_s: float = 5.0,
    kill: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> None:
    """End the executor ``found``, and return when it is gone. Functions are kept.

    Calls that run have ``grace_s`` to finish; with ``kill`` they have not. One that does not answer is ended
    by a signal, and ``note`` is told.

    Raises:
        ExecutorError: it is another user's, or does not end.
    """
    if kill:
        _signal(found, signal.SIGKILL)
        _wait_until_gone(settings, found, 5.0)
    elif _asked(found, grace_s):
        _wait_until_gone(settings, found, grace_s + _TAKE_DOWN_S)
    else:
        note(f"the executor (pid {found.pid}) does not answer; asking it with SIGTERM")
        _signal(found, signal.SIGTERM)
        _wait_until_gone(settings, found, grace_s)


def _asked(found: Running, grace_s: float) -> bool:
    import httpx

    if found.endpoint is None:
        return False
    try:
        with found.endpoint.client(timeout=_ANSWER_TIMEOUT_S) as client:
            answer = client.post("/nbfn/v1/stop", params={"grace_s": f"{grace_s:g}"})
    except httpx.TransportError:
        return False
    return answer.status_code == 202


def _signal(found: Running, number: signal.Signals) -> None:
    if not found.pid:
        raise ExecutorError("the executor has not written its pid", hint="try again in a moment")
    try:
        os.kill(found.pid, number)
    except ProcessLookupError:
        pass  # it has just ended by itself
    except PermissionError as error:
        raise ExecutorError(
            f"the executor (pid {found.pid}) belongs to another user", hint="let its owner stop it"
        ) from error


def _wait_until_gone(settings: Settings, found: Running, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while (now := running(settings)) is not None and now.pid == found.pid:
        if time.monotonic() > deadline:
            raise ExecutorError(
                f"the executor (pid {found.pid}) is hung: it did not end within {timeout_s:g} s",
                hint="`nbfn stop --kill` ends it; functions are kept",
            )
        time.sleep(_POLL_S)


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
