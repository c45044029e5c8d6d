"""What a cell binds."""

from __future__ import annotations

import ast

import pytest

from nbfn.capture import Cells
from nbfn.capture.bindings import Import, bound_names
from nbfn.capture.imports import inner_imports, written


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a = b, c = 1, 2", {"a", "b", "c"}),
        ("a: int = 1", {"a"}),
        ("for i in x:\n    j = i", {"i", "j"}),
        ("with open(f) as g: pass", {"g"}),
        ("import os.path, numpy as np", {"os", "np"}),
        ("from a import b as c, d", {"c", "d"}),
        ("try:\n    pass\nexcept E as e:\n    pass", {"e"}),
        (
            "match v:\n    case {'a': x, **rest}: pass\n    case [y, *z] as w: pass",
            {"x", "rest", "y", "z", "w"},
        ),
        ("def f(p):\n    local = 1\n    global g\n    g = 1", {"f", "g"}),
        ("class C:\n    inner = 1", {"C"}),
        ("(n := 1)", {"n"}),
        ("[q for q in x]", {"q"}),
    ],
)
def test_bound_names(text: str, names: set[str]) -> None:
    assert set(bound_names(ast.parse(text))) == names


def test_the_last_cell_that_made_a_name() -> None:
    cells = Cells()
    for number, source in enumerate(["a = 1", "b = 2", "a = 3", "not python ("], 1):
        cells.record(source, number=number, cell_id=None, filename=f"<{number}>")
    made = cells.made("a")
    assert made is not None
    assert made.label == "cell 3"
    assert cells.made("c") is None
    found = cells.of_file("<4>")
    assert found is not None
    assert found.tree is None


def test_imports_inside_functions() -> None:
    text = """
def f():
    import a.b
    try:
        import c
    except (ImportError, OSError):
        from d import e
    if TYPE_CHECKING:
        import g
    try:
        import h
    finally:
        pass
"""
    found = [(module, guarded) for module, _, guarded in inner_imports(ast.parse(text))]
    assert found == [("a.b", False), ("c", True), ("d", False), ("g", True), ("h", False)]


def test_import_lines_are_grouped_and_sorted() -> None:
    lines = [
        Import("numpy", alias="np"),
        Import("sys"),
        Import("os.path"),
        Import("os"),
        Import("collections", "deque"),
        Import("collections", "Counter", "Count"),
        Import("yaml", "safe_load"),
    ]
    assert written(lines) == [
        "import os.path",
        "import sys",
        "from collections import Counter as Count, deque",
        "",
        "import numpy as np",
        "from yaml import safe_load",
    ]
