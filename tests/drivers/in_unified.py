"""Cgroups of version 2 as others hand them to nbfn. For root of a machine where they are all there is.

``test_unified.py`` runs it in one.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.drivers.test_unprivileged import AS_USER, interpreter_for_everyone, run_tests
from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(600)
TOP = Path("/sys/fs/cgroup")
CONTROLLERS = "+cpu +memory +pids"
USER = 1000
ENTER = ("sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"')


@pytest.fixture
def given() -> Iterator[Path]:
    """A group that is an ordinary user's, as systemd makes them with ``Delegate=yes``."""
    (TOP / "cgroup.subtree_control").write_text(CONTROLLERS)
    folder = TOP / "given"
    folder.mkdir()
    hand_over(folder)
    yield folder
    folder.rmdir()


def everyones_interpreter() -> str:
    found = interpreter_for_everyone()
    if found is None:
        lacking("no interpreter of this minor that an ordinary user may execute")
    return found


def hand_over(folder: Path) -> None:
    for path in (folder, *(folder / f"cgroup.{name}" for name in ("procs", "subtree_control", "threads"))):
        os.chown(path, USER, USER)


@pytest.mark.parametrize(
    ("user", "chosen"),
    [
        ((), "not T1 and (hogs-memory or bomb or fills-shm or leaves-its)"),
        (AS_USER, "(T2 and (hogs-memory or bomb)) or (T0 and leaves-its)"),
    ],
    ids=["root", "an-ordinary-user"],
)
def test_misbehaviours_in_a_group_with_others(given: Path, user: tuple[str, ...], chosen: str) -> None:
    """As in a session: its own group is shared, and one above it can be used."""
    python = everyones_interpreter()
    (given / "cgroup.subtree_control").write_text(CONTROLLERS)
    session = given / "session"
    session.mkdir()
    hand_over(session)
    before = (*ENTER, str(session), "env", f"TMPDIR={tempfile.gettempdir()}", *user)
    try:
        said = run_tests(python, "misbehave/test_misbehaviour", chosen, before=before)
    finally:
        session.rmdir()
    assert " skipped" not in said, said
