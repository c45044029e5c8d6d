"""A test of what a machine lacks is skipped by a person's machine alone."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from tests.drivers.test_unprivileged import run_tests
from tests.misbehave import test_misbehaviour

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.misbehave.house import House


@contextmanager
def house_of_less(_: str) -> Iterator[House]:
    yield cast("House", SimpleNamespace(isolation={"tier": "T0", "missing": ["user namespaces"]}))


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_tier_that_is_missing_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(test_misbehaviour, "house", house_of_less)
    with pytest.raises(outcome, match=r"T2.*user namespaces"):
        next(test_misbehaviour.homes("T2"))


def test_so_it_does_in_a_run_of_tests_within_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "")
    assert "1 skipped" in run_tests(sys.executable, "lacking_inside", "")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(AssertionError, match="needed here: no machine has it"):
        run_tests(sys.executable, "lacking_inside", "")


ON_PURPOSE = {
    "takes a pid namespace": "T2 has one",
    "nothing hides files at T0": "docs/sandbox.md says so",
    "there is no filter at T0": "docs/sandbox.md says so",
    "needs namespaces or Landlock 6": "docs/sandbox.md says so",
    "its socket is handed in": "by a zygote",
    "its own paths are not there": "without a root of its own",
    "Python {request.param} is not on this machine": "each is one of several, and this one's own is tested",
}
"""Why a test is skipped where nothing is lacking."""


def test_whatever_else_is_skipped_is_not_lacking() -> None:
    here = Path(__file__)
    found = {
        reason
        for path in here.parent.rglob("*.py")
        if path.name not in (here.name, "lacking.py")
        for reason in re.findall(r"""(?:pytest\.skip|skipif)\(f?["']?(.*?)["']?\)""", path.read_text("utf-8"))
    }
    assert found == set(ON_PURPOSE)
