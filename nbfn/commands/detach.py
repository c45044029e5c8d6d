"""Going to the background: two forks before anything heavy is imported, and a word back when it listens."""

from __future__ import annotations

import json
import os
import sys
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from nbfn.errors import NbfnError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_LOG_BYTES = 1 << 20
_OK = b"+"


@contextmanager
def detached(state: Path) -> Iterator[Callable[[Mapping[str, object]], None]]:
    """Run the body in a process of a session of its own, its output in ``STATE/executor.log``.

    The body gets a function to call when it listens. The calling process never enters the body: it waits for
    that call, prints what it was given as one line of JSON, and exits; or it prints why the body ended
    instead, and exits with 1.
    """
    log = _open_log(state)
    ours, theirs = os.pipe()
    if os.fork():
        os.close(theirs)
        _wait_and_exit(ours, state)
    os.close(ours)
    os.setsid()
    if os.fork():  # the second one leads no session, so no terminal can become its own
        os._exit(0)
    _take_over_output(log)

    def on_listening(note: Mapping[str, object]) -> None:
        os.write(theirs, _OK + json.dumps(note).encode())
        os.close(theirs)

    status = 0
    try:
        yield on_listening
    except NbfnError as error:
        status = 1
        _complain(theirs, str(error))
    except BaseException as error:
        status = 1
        traceback.print_exc()
        _complain(theirs, f"{type(error).__name__}: {error}")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the first process runs whatever is to be run at exit


def _wait_and_exit(pipe: int, state: Path) -> None:
    with open(pipe, "rb") as file:
        said = file.read()
    os.wait()
    if said.startswith(_OK):
        click.echo(said[1:].decode())
        sys.exit(0)
    why = said.decode() or f"the executor ended without a word; see {state / 'executor.log'}"
    click.echo(f"nbfn: {why}", err=True)
    sys.exit(1)


def _open_log(state: Path) -> int:
    path = state / "executor.log"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > _LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise StateError(
            f"cannot write {path}: {error.strerror}", hint="set NBFN_STATE to a folder that you may write"
        ) from error


def _take_over_output(log: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for each in (null, log):
        if each > 2:
            os.close(each)


def _complain(pipe: int, why: str) -> None:
    print(why, file=sys.stderr)
    with suppress(OSError):  # it has listened: nobody waits any more
        os.write(pipe, why.encode())
