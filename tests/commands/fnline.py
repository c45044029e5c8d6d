"""``nbfn`` in process, over a session of its own: what it printed, and its exit code."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from click.testing import CliRunner

from nbfn import config
from nbfn import session as sessions
from nbfn.commands.main import cli
from nbfn.errors import NbfnError
from tests.notebook.conftest import stop_executor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str


def fn(*words: str, body: str | bytes | None = None) -> Done:
    """Run one line as ``main`` would: errors of nbfn are exit code 1 and a message."""
    result = CliRunner().invoke(cli, list(words), input=body)
    error = result.exception
    if isinstance(error, NbfnError):
        return Done(1, result.stdout, f"{result.stderr}nbfn: {error}\n")
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return Done(result.exit_code, result.stdout, result.stderr)


@contextmanager
def at_home(home: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder and an executor of one's own; the current folder is ``home``."""
    for name in [name for name in os.environ if name.startswith(("FN_", "OCI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NBFN_STATE", str(state))
    monkeypatch.setenv("NBFN_LINGER_S", "2")
    monkeypatch.chdir(home)
    sessions.use(sessions.Session(config.load()))
    yield home
    sessions.current().close()
    stop_executor(state)
