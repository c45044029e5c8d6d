"""The tree that is drawn at the top of errors.py is the tree of the classes."""

from __future__ import annotations

import inspect
import re

import pytest

from nbfn import errors


def drawn() -> dict[str, str]:
    """Child to parent, as the drawing says."""
    parents: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^    ([│├└─ ]*)([A-Z]\w+)(?: |$)", line)
        if found:
            depth = len(found[1]) // 4
            above = [*above[:depth], found[2]]
            if depth:
                parents[found[2]] = above[depth - 1]
    return parents


def classes() -> list[type[errors.NbfnError]]:
    return [
        each
        for _, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, errors.NbfnError) and each is not errors.NbfnError
    ]


def test_the_drawing_is_the_tree() -> None:
    assert drawn() == {each.__name__: each.__mro__[1].__name__ for each in classes()}


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_every_error_shows_what_to_do(kind: type[errors.NbfnError]) -> None:
    error = kind("x is 3", hint="make it 4")
    assert str(error) == "x is 3\n  → make it 4"
    assert str(kind("x is 3")) == "x is 3"
    assert isinstance(error, errors.NbfnError)
    assert kind.__doc__
