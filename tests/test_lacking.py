"""A test of what a machine lacks is skipped by a person's machine alone."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

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
