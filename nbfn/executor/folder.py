"""The executor's files: private folders, the lock that one executor holds, the token, ``executor.json``."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import secrets
import socket
import stat
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbfn.errors import ExecutorError, StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from nbfn.config import Settings

log = logging.getLogger(__name__)

_TOKEN_MIN_CHARS = 16
_LOCK_TRIES, _LOCK_PAUSE_S = 20, 0.02


@contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn OSError into a StateError that names ``path``."""
    try:
        yield
    except OSError as error:
        hint = "free some space there" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check who owns it"
        raise StateError(
            f"{doing} {path}: {error.strerror}", hint=f"{hint}, or set NBFN_STATE to another folder"
        ) from error


def private_folder(path: Path) -> None:
    """Make ``path`` a folder that is ours alone. Raises StateError if it is somebody else's."""
    with explained(path, "cannot make the folder"):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            found = path.stat()  # a link to a folder of ours is fine
        if found.st_uid != os.getuid():
            raise StateError(
                f"{path} belongs to user {found.st_uid}, not to you ({os.getuid()})",
                hint="set NBFN_STATE (and NBFN_SOCKET) to a folder of your own",
            )
        if found.st_mode & 0o077:
            path.chmod(0o700)


def socket_folder(settings: Settings) -> None:
    """Make the folders of sockets private. One that somebody chose, say ``/run``, is left as it is."""
    parent = settings.socket.parent
    own_in_tmp = parent.name.startswith(f"nbfn-{os.getuid()}-")  # where anybody may have been first
    if parent != settings.state and (own_in_tmp or not parent.exists()):
        private_folder(parent)
    private_folder(settings.run)


@contextmanager
def executor_lock(settings: Settings) -> Iterator[None]:
    """Hold ``executor.lock``: it says who serves this state folder, and goes with the process.

    Raises:
        ExecutorError: another executor holds it; names its pid.
    """
    path = settings.state / "executor.lock"
    with explained(path, "cannot open"):
        file = path.open("a+")
    with file:
        for attempt in range(_LOCK_TRIES):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # Whoever only looks whether it is held holds it for an instant, too.
                if attempt == _LOCK_TRIES - 1:
                    file.seek(0)
                    pid = file.read().strip() or "unknown"
                    raise ExecutorError(
                        f"an executor (pid {pid}) already serves {settings.state}",
                        hint="use it as it is, or end it with `nbfn stop` first",
                    ) from None
                time.sleep(_LOCK_PAUSE_S)
        with explained(path, "cannot write"):
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
        yield


def load_token(path: Path) -> str:
    """The bearer token in ``path``, which is made if it is missing.

    Raises:
        StateError: the file is somebody else's, cannot be made private, or holds no token.
    """
    with explained(path, "cannot use the token file"):
        try:
            found = path.stat()
        except FileNotFoundError:
            return _make_token(path)
        if found.st_uid not in (os.getuid(), 0):
            raise StateError(
                f"the token file {path} belongs to user {found.st_uid}: who owns it knows the token",
                hint="remove it (a new one is made), or set NBFN_TOKEN_FILE to a file of your own",
            )
        if found.st_mode & 0o077:
            path.chmod(0o600)
            log.warning("the token file %s could be read by others: now it cannot; remove it and restart "
                        "for a new token if somebody may have", path)  # fmt: skip
        token = path.read_text().strip()
    if len(token) < _TOKEN_MIN_CHARS or not token.isascii() or not token.isprintable() or " " in token:
        raise StateError(
            f"the token file {path} holds no token of at least {_TOKEN_MIN_CHARS} characters",
            hint="remove it: a new one is made",
        )
    return token


def _make_token(path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    token = secrets.token_urlsafe(32)
    try:
        write_private(draft, token + "\n")
        os.link(draft, path)  # whole or not at all, and never over one that is there
    except FileExistsError:
        return path.read_text().strip()
    finally:
        draft.unlink(missing_ok=True)
    return token


def write_private(path: Path, text: str) -> None:
    """Write ``text`` to a new file (0600). Raises OSError."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
        file.write(text)


@contextmanager
def note(settings: Settings, content: Mapping[str, object]) -> Iterator[None]:
    """``executor.json``, for as long as this lasts."""
    path = settings.state / "executor.json"
    draft = path.with_suffix(".json.new")
    with explained(path, "cannot write"):
        try:
            write_private(draft, json.dumps(content) + "\n")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def clear_socket(path: Path) -> None:
    """Remove the socket that a killed executor left at ``path``.

    Raises:
        ExecutorError: somebody listens there.
        StateError: it is no socket.
    """
    with explained(path, "cannot use"):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise StateError(
                f"{path} is in the way: it is no socket", hint="move it, or set NBFN_SOCKET to another path"
            )
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                path.unlink()
                return
    raise ExecutorError(
        f"another process listens on {path}", hint="end it, or set NBFN_SOCKET to another path"
    )
