"""The file: what it keeps, and what it says when it cannot."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

from nbfn.errors import Conflict, NotFound, StateError
from nbfn.executor import recordstore as module
from nbfn.executor.database import DiskFull
from nbfn.executor.objects import App, Fn
from nbfn.executor.records import CallRecord, LogRecord
from nbfn.executor.store import Store
from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(state: Path) -> Path:
    return state / "nbfn.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(path)
    yield store
    store.close()


def call(number: int, fn_id: str = "f") -> CallRecord:
    return CallRecord(f"c{number}", fn_id, "i", "warm", "", 200, "", float(number), 0, 0, None, 1, 1)


def line(number: int, call_id: str = "") -> LogRecord:
    return LogRecord("f", float(number), "stdout", f"line {number}", call_id, "i")


def add_without_end(store: Store) -> None:
    for number in range(1000):
        store.add_app(App(f"a{number}", f"name-{number}", config={"X": "x" * 10_000}))


def test_everything_comes_back_from_another_opening(path: Path) -> None:
    app = App("a", "shop", config={"A": "ä"}, annotations={"x": [1]})
    fn = Fn("f", "greet", "a", "it", config={"NBFN_KEY": "00"})
    first = Store(path)
    first.add_app(app)
    first.add_fn(fn, "sha256:1")
    first.add_records([call(1)], [line(1)])
    first.close()
    again = Store(path)
    assert again.everything() == [(app, fn, "sha256:1", True)]
    assert again.fn("f") == fn
    assert [one.id for one in again.calls("f", 10)] == ["c1"]
    again.close()


def test_the_file_is_ours_alone(path: Path, store: Store) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_change_that_raises_changes_nothing(store: Store) -> None:
    store.add_app(App("a", "shop"))

    def refuse(_: App) -> App:
        raise Conflict("no")

    with pytest.raises(Conflict, match="no"):
        store.change_app("a", refuse)
    assert store.app("a") == App("a", "shop")
    with pytest.raises(NotFound):
        store.change_fn("nosuch", lambda current: current)
    store.add_app(App("b", "other"))  # no transaction was left open


def test_records_are_bounded_and_the_newest_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_CALLS", 3)
    monkeypatch.setattr(module, "KEPT_LOGS", 2)
    for number in range(5):
        store.add_records([call(number)], [line(number, f"c{number}")])
    assert [one.id for one in store.calls("f", 10)] == ["c4", "c3", "c2"]
    assert [one.text for one in store.logs("f", "", 10)] == ["line 3", "line 4"]
    assert [one.text for one in store.logs("f", "c3", 10)] == ["line 3"]
    assert store.logs("other", "", 10) == []


def test_output_takes_no_more_disk_than_it_may(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_LOG_BYTES", 1 << 20)
    for batch in range(40):
        store.add_records([], [LogRecord("f", 0.0, "stdout", f"{batch}" * 4000, "c", "i")] * 50)
    kept = store.logs("f", "", 10_000)
    assert 0.9 * (1 << 20) < sum(len(line.text) for line in kept) <= 1 << 20
    assert kept[-1].text.startswith("39")
    on_disk = sum(each.stat().st_size for each in path.parent.glob("nbfn.db*"))
    assert on_disk < (1 << 20) * 2 + (5 << 20)  # the write-ahead log may have 4 MiB


def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StateError, match="newer nbfn") as caught:
        Store(path)
    assert str(path) in str(caught.value)


def test_a_damaged_file_is_named(path: Path) -> None:
    path.write_bytes(b"no database at all " * 1000)
    with pytest.raises(StateError, match="damaged") as caught:
        Store(path)
    assert str(path) in str(caught.value)
    assert "move the file away" in str(caught.value)


def test_a_folder_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(StateError, match=r"nosuch.nbfn\.db"):
        Store(path.parent / "nosuch" / "nbfn.db")


def test_a_file_that_turns_bad_while_it_is_used_is_an_error_and_no_crash(path: Path, store: Store) -> None:
    store.add_app(App("a", "shop"))
    store._db.execute("PRAGMA query_only = ON")
    with pytest.raises(StateError, match="cannot be used"):
        store.add_app(App("b", "other"))
    store._db.execute("PRAGMA query_only = OFF")
    assert [app.name for app in store.apps()] == ["shop"]


@pytest.mark.needs("root")
def test_a_full_disk_is_said_and_nothing_is_half_written(state: Path) -> None:
    disk = state / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        lacking(f"no tmpfs can be mounted here: {mounted.stderr.decode()}")
    try:
        store = Store(disk / "nbfn.db")
        with pytest.raises(DiskFull, match="free some space") as caught:
            add_without_end(store)
        assert str(disk / "nbfn.db") in str(caught.value)
        added = len(store.apps())
        assert added > 0
        assert {len(app.config["X"]) for app in store.apps()} == {10_000}
        store.close()
        again = Store(disk / "nbfn.db")
        assert len(again.apps()) == added
        again.close()
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_process_that_is_killed_loses_nothing_that_was_acknowledged(path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        store = Store(path)
        for number in range(50):
            store.add_app(App(f"a{number}", f"name-{number}"))
        os.kill(os.getpid(), 9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9
    store = Store(path)
    assert len(store.apps()) == 50
    store.close()
