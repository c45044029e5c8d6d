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
_TAKE_DOWN_S = 15.0  # what it may take beyond the calls
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
    grace_s: float | None = None,
    kill: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> int:
    """End the executor ``found``, and return when it is gone. Functions are kept.

    Calls that run have ``grace_s`` to finish, or (None) as long as their timeouts let them; with ``kill``
    they have not. ``note`` is told of a wait, and if it does not answer and is ended by a signal. Gives how
    many calls were cut off, as far as it told.

    Raises:
        ExecutorError: it is another user's, or does not end.
    """
    if kill:
        _signal(found, signal.SIGKILL)
        _wait_until_gone(settings, found, 5.0)
        return 0
    told = _asked(found, grace_s, note)
    if told is not None:
        _wait_until_gone(settings, found, (grace_s or 0.0) + _TAKE_DOWN_S)
        return told
    if found.endpoint is None:
        note(f"the executor (pid {found.pid}) is stopping already, or not up yet: SIGTERM ends it now")
        grace_s = None
    else:
        note(f"the executor (pid {found.pid}) does not answer; asking it with SIGTERM")
    _signal(found, signal.SIGTERM)
    _wait_until_gone(settings, found, _TAKE_DOWN_S if grace_s is None else grace_s)
    return 0


def calls_in_words(count: int) -> str:
    """``1 call``, ``2 calls``."""
    return f"{count} call{'' if count == 1 else 's'}"


def _asked(found: Running, grace_s: float | None, note: Callable[[str], None]) -> int | None:
    """Ask it to stop, and wait for its calls: how many were cut off; None if it does not answer.

    Raises ExecutorError if it has taken the question and does not get to the end of it.
    """
    import httpx

    from nbfn.spec import TIMEOUT_S

    if found.endpoint is None:
        return None
    # No call may run for longer than the largest timeout.
    patience_s = _TAKE_DOWN_S + (TIMEOUT_S[-1] if grace_s is None else grace_s)
    params = {"wait": "true"} | ({} if grace_s is None else {"grace_s": f"{grace_s:g}"})
    try:
        with found.endpoint.client(timeout=_ANSWER_TIMEOUT_S) as client:
            if count := client.get("/nbfn/v1/info").json().get("calls"):
                most = "until their timeouts" if grace_s is None else f"for {grace_s:g} s"
                note(f"waiting for {calls_in_words(count)}, {most} at most; `nbfn stop` again cuts off")
            answer = client.post("/nbfn/v1/stop", params=params, timeout=httpx.Timeout(3.0, read=patience_s))
            return int(answer.json().get("cut_off", 0)) if answer.status_code == 202 else None
    except httpx.ReadTimeout as error:
        if error.request.method == "GET":
            return None
        raise _hung(found, patience_s) from error
    except (httpx.RemoteProtocolError, httpx.ReadError):
        return 0  # it was ended meanwhile
    except (httpx.TransportError, ValueError, AttributeError):
        return None


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
            raise _hung(found, timeout_s)
        time.sleep(_POLL_S)


def _hung(found: Running, timeout_s: float) -> ExecutorError:
    return ExecutorError(
        f"the executor (pid {found.pid}) is hung: it did not end within {timeout_s:g} s",
        hint="`nbfn stop --kill` ends it; functions are kept",
    )


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
