"""The executor of this machine: found, or started on first use and shared by every kernel of the user."""

from __future__ import annotations

import fcntl
import json
import logging
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

import nbfn
from nbfn import config
from nbfn.errors import ExecutorError, ExecutorMismatch, ExecutorNotRunning, StateError
from nbfn.portal import portal
from nbfn.transport import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from anyio.abc import TaskStatus

    from nbfn.config import Settings

API = 1

_log = logging.getLogger(__name__)

_ANSWER_TIMEOUT_S = 5.0
_START_TIMEOUT_S = 30.0
_START_ATTEMPTS = 3
_STEP_ASIDE_TIMEOUT_S = 15.0
_POLL_S = 0.02
_TAIL_LINES = 12


def find(settings: Settings) -> Endpoint | None:
    """The executor that serves ``settings.state``, or None. Starts nothing.

    Raises:
        ExecutorMismatch: the one that runs there is of another version.
        ExecutorError: it does not answer in time, or does not take our token.
    """
    note = _read_note(settings)
    if note is None:
        return None
    try:
        token = settings.token_file.read_text().strip()
    except OSError:
        return None  # it wrote its token before its note: one without the other is a leftover
    endpoint = Endpoint(url=note.url, socket=note.socket, token=token)
    info = _ask(endpoint, note)
    if info is None:
        return None
    version, api = info.get("version"), info.get("api")
    if version != nbfn.__version__ or api != API:
        raise ExecutorMismatch(
            f"executor {version} (api {api}, pid {info.get('pid')}) is running at {note.where}, "
            f"this is {nbfn.__version__} (api {API})",
            hint="end it with `nbfn stop`, then call again",
        )
    return replace(endpoint, driver=str(info.get("driver") or ""))


def driver_of(settings: Settings, endpoint: Endpoint | None = None) -> str:
    """How instances run at ``endpoint``; else at the executor that serves ``settings.state``, or as it would
    if it were started. Raises as :func:`find`."""
    running = endpoint or find(settings)
    return (running.driver if running else "") or settings.driver


def ensure(settings: Settings, environ: Mapping[str, str] | None = None) -> Endpoint:
    """The executor that serves ``settings.state``, started if need be, with ``environ`` beside this process's
    environment.

    Two kernels that call this at once get the same one.

    Raises:
        ExecutorNotRunning: it could not be started; the end of what it said is in the message.
        StateError: the state folder cannot be used.
        ExecutorMismatch, ExecutorError: as :func:`find`.
    """
    endpoint = find(settings)
    if endpoint is not None:
        return endpoint
    with _start_lock(settings):
        endpoint = _wait_for_other(settings) or find(settings)
        if endpoint is not None:
            return endpoint
        for _ in range(_START_ATTEMPTS):
            _start(settings, environ)
            endpoint = find(settings)
            if endpoint is not None:
                return endpoint  # else its time without users was over before we came
        raise _not_started(settings, f"it went away at once, {_START_ATTEMPTS} times")


@dataclass(frozen=True, slots=True)
class Lease:
    """A held stream that keeps an executor which was started by use. It ends with this process."""

    _future: Future[None] = field(repr=False)
    _opened: bool = True

    @property
    def held(self) -> bool:
        return self._opened and not self._future.done()

    def release(self) -> None:
        self._future.cancel()


def hold_lease(endpoint: Endpoint) -> Lease:
    """Take a lease and keep it until released, in the background.

    It is open when this returns, or not held if the executor has gone away. Should it go away later the
    lease just ends: whoever calls next finds out.
    """
    future, opened = portal().start_task(_hold, endpoint, name="nbfn lease")
    return Lease(future, opened)


async def _hold(endpoint: Endpoint, *, task_status: TaskStatus[bool]) -> None:
    timeout = httpx.Timeout(_ANSWER_TIMEOUT_S, read=None)
    opened = False
    try:
        async with (
            endpoint.async_client(timeout=timeout) as client,
            client.stream("GET", "/nbfn/v1/lease") as stream,
        ):
            task_status.started(True)
            opened = True
            async for _ in stream.aiter_raw():
                pass
    except httpx.HTTPError as error:
        _log.debug("the lease ended: %s", error)
    if not opened:
        task_status.started(False)


@dataclass(frozen=True, slots=True)
class _Note:
    """What an executor wrote into ``STATE/executor.json``."""

    pid: int
    socket: Path | None
    url: str

    @property
    def where(self) -> str:
        return str(self.socket or self.url)


def _read_note(settings: Settings) -> _Note | None:
    path = settings.state / "executor.json"
    try:
        value = json.loads(path.read_text())
        socket = value.get("socket")
        return _Note(
            int(value["pid"]), Path(socket) if socket else None, value.get("url") or "http://localhost"
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # half written by one that was killed; the next one writes it anew


def _ask(endpoint: Endpoint, note: _Note) -> dict[str, Any] | None:
    """What the executor says of itself; None if nobody listens there any more."""
    try:
        with endpoint.client(timeout=_ANSWER_TIMEOUT_S) as client:
            response = client.get("/nbfn/v1/info")
            value = response.json() if response.status_code == httpx.codes.OK else None
    except httpx.TimeoutException as error:
        raise ExecutorError(
            f"the executor at {note.where} (pid {note.pid}) did not answer for {_ANSWER_TIMEOUT_S:g} s",
            hint=f"end it with `nbfn stop` or `kill {note.pid}`, then call again",
        ) from error
    except httpx.HTTPError:
        return None  # refused, or it hung up on us while it stopped
    except ValueError:
        value = None
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise ExecutorError(
            f"the executor at {note.where} (pid {note.pid}) does not take the token in the state folder",
            hint="end it with `nbfn stop`, then call again",
        )
    if not isinstance(value, dict):
        raise ExecutorMismatch(
            f"what answers at {note.where} (pid {note.pid}) is no executor of nbfn {nbfn.__version__}",
            hint="end it, or choose another folder with NBFN_STATE",
        )
    return value


@contextmanager
def _start_lock(settings: Settings) -> Iterator[None]:
    try:
        settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (settings.state / "start.lock").open("a")
    except OSError as error:
        raise StateError(
            f"the state folder {settings.state} cannot be used: {error.strerror}",
            hint="choose another with NBFN_STATE",
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _wait_for_other(settings: Settings) -> Endpoint | None:
    """An executor that holds the lock without answering is starting or stopping: see which."""
    deadline = time.monotonic() + _STEP_ASIDE_TIMEOUT_S
    while _lock_is_held(settings):
        endpoint = find(settings)
        if endpoint is not None:
            return endpoint
        if time.monotonic() > deadline:
            raise ExecutorError(
                f"an executor holds {settings.state / 'executor.lock'} and does not answer",
                hint="`nbfn stop` ends it",
            )
        time.sleep(_POLL_S)
    return None


def _lock_is_held(settings: Settings) -> bool:
    try:
        with (settings.state / "executor.lock").open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _start(settings: Settings, environ: Mapping[str, str] | None) -> None:
    """Run ``nbfn serve --detach``, which returns when it listens."""
    # -P: a random.py beside the notebook must not be imported in place of the real one.
    argv = [sys.executable, "-P", "-m", "nbfn", "serve", "--detach"]
    argv += ["--linger", f"{settings.linger_s:g}", "--state", str(settings.state)]
    # A file, not a pipe: the detached process may keep it open long after.
    with tempfile.TemporaryFile(mode="w+", errors="replace") as output:
        try:
            status = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=settings.state,
                env=config.environment(settings, environ),
                start_new_session=True,
                timeout=_START_TIMEOUT_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            status = None
        except OSError as error:
            raise _not_started(settings, f"{sys.executable}: {error.strerror}") from error
        output.seek(0)
        said = "\n".join(output.read().strip().splitlines()[-_TAIL_LINES:])
    if status != 0:
        silent = f"exit code {status}" if status is not None else "it did not come up in time"
        raise _not_started(settings, said or silent)


def _not_started(settings: Settings, said: str) -> ExecutorNotRunning:
    return ExecutorNotRunning(
        f"the executor could not be started:\n{said.removeprefix('nbfn: ')}",
        hint=f"`nbfn serve` shows it starting; its log is {settings.state / 'executor.log'}",
    )
