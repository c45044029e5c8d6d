"""Which function of a cell is meant."""

from __future__ import annotations

import pytest

from nbfn.capture import find_target
from nbfn.errors import CellError

ONE = "import os\n\ndef greet(): pass\n"
CALLS = "def helper(): pass\n\ndef greet(): return helper()\n"
COLON = "x = 1\ndef greet(x)\n    pass"
TWO = "def first(): pass\n\ndef second(): pass\n"


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        (ONE, None, "greet"),
        (ONE, "other-name", "greet"),
        (CALLS, None, "greet"),
        (CALLS, "helper", "helper"),
        (CALLS, "other", "greet"),
        (TWO, "second", "second"),
        ("async def greet(): pass", None, "greet"),
        ("if True:\n    def greet(): pass", None, "greet"),
        ("def greet(): pass\ndef greet(): pass", None, "greet"),
        ("def greet(n): return greet(n - 1)", None, "greet"),
        ("%time\n!ls\ndef greet(): pass\n", None, "greet"),
        ("class A:\n    def no(self): pass\ndef greet(): pass", None, "greet"),
    ],
)
def test_found(source: str, name: str | None, expected: str) -> None:
    assert find_target(source, name) == expected


@pytest.mark.parametrize(
    ("source", "name", "message", "line"),
    [
        (
            "x = 1\ndef greet(x)\n    pass",
            None,
            "line 2: expected ':'\n    def greet(x)\n                ^",
            2,
        ),
        ("x = 1", None, "the cell defines no function", None),
        ("", "greet", "the cell defines no function", None),
        ("greet = lambda: 1", "greet", "the cell defines no function", None),
        (TWO, None, "the cell defines several functions: first, second", None),
        (TWO, "third", "'third' is not a function of this cell, which defines several: first, second", None),
        ("def a(): b()\ndef b(): a()", None, "the cell defines several functions: a, b", None),
    ],
)
def test_refused(source: str, name: str | None, message: str, line: int | None) -> None:
    with pytest.raises(CellError) as caught:
        find_target(source, name)
    assert caught.value.message == message
    assert caught.value.line == line
    assert caught.value.hint


def test_a_cell_that_no_python_could_read_is_refused_with_the_reason() -> None:
    with pytest.raises(CellError, match="null bytes") as caught:
        find_target("def greet():\n    return 'a\0b'\n", None)
    assert "run the cell again" in caught.value.hint
