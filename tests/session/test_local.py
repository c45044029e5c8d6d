"""Finding the executor: what is left over, what is no executor, what is another version."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

import nbfn
from nbfn import config, local
from nbfn.errors import ExecutorError, ExecutorMismatch, ExecutorNotRunning, StateError
from tests.session.answering import answering

if TYPE_CHECKING:
    from pathlib import Path

    from nbfn.config import Settings

OURS = {"version": nbfn.__version__, "api": 1, "pid": 123}


def test_there_is_none(settings: Settings) -> None:
    assert local.find(settings) is None


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '{"pid": null}', '{"pid": 1, "socket": "/nonexistent/executor.sock", "url": ""}']
)
def test_what_a_killed_one_left_is_none(settings: Settings, note: str) -> None:
    (settings.state / "executor.json").write_text(note)
    settings.token_file.write_text("a-token")
    assert local.find(settings) is None


def test_it_is_found_with_its_token_kept_from_sight(settings: Settings) -> None:
    with answering(settings, 200, OURS):
        endpoint = local.find(settings)
        assert endpoint is not None
        assert (endpoint.socket, endpoint.token) == (settings.socket, "a-token")
        assert "a-token" not in repr(endpoint)
        assert local.ensure(settings) == endpoint


@pytest.mark.parametrize("other", [{"version": "0.0.9"}, {"api": 2}])
def test_another_version_is_named_with_the_way_out(settings: Settings, other: dict[str, object]) -> None:
    with answering(settings, 200, OURS | other), pytest.raises(ExecutorMismatch) as caught:
        local.ensure(settings)
    message = str(caught.value)
    for part in (
        str({**OURS, **other}["version"]),
        "pid 123",
        str(settings.socket),
        nbfn.__version__,
        "nbfn stop",
    ):
        assert part in message


@pytest.mark.parametrize(("status", "body"), [(404, {"message": "no"}), (200, b"<html>"), (200, [1])])
def test_what_is_no_executor_is_a_mismatch(settings: Settings, status: int, body: object) -> None:
    with answering(settings, status, body), pytest.raises(ExecutorMismatch, match="no executor of nbfn"):
        local.find(settings)


def test_a_refused_token_says_so_without_showing_it(settings: Settings) -> None:
    with answering(settings, 401, {"message": "no"}), pytest.raises(ExecutorError, match="token") as caught:
        local.find(settings)
    assert "a-token" not in str(caught.value)


def test_one_that_does_not_answer_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_ANSWER_TIMEOUT_S", 0.1)
    with answering(settings, 200, None), pytest.raises(ExecutorError, match=r"pid 123.*did not answer"):
        local.ensure(settings)


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo no room left >&2; exit 3", "no room left"), ("exit 3", "exit code 3"), ("exit 0", "went away")],
)
def test_one_that_cannot_start_says_why(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(ExecutorNotRunning, match=said) as caught:
        local.ensure(settings)
    assert "executor.log" in str(caught.value)


def test_a_state_folder_that_is_none_is_a_state_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="state folder"):
        local.ensure(config.load({"NBFN_STATE": str(tmp_path / "file" / "state")}))


def test_a_note_that_cannot_be_read_is_a_state_error(settings: Settings) -> None:
    note = settings.state / "executor.json"
    note.mkdir()
    with pytest.raises(StateError, match=r"executor\.json"):
        local.find(settings)


def test_a_lease_on_what_is_gone_just_ends(settings: Settings) -> None:
    with answering(settings, 200, OURS):
        endpoint = local.ensure(settings)
    lease = local.hold_lease(endpoint)
    lease.release()
    assert not lease.held
