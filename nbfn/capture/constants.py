"""A constant as the person wrote it: its own spelling, and the comments about it (pure)."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from nbfn.capture.definitions import NoSource, of_assignment
from nbfn.capture.literals import literal
from nbfn.capture.texts import comments_above

if TYPE_CHECKING:
    from nbfn.capture.cells import Cells
    from nbfn.capture.texts import Line


def as_written(name: str, text: str, cells: Cells) -> tuple[list[Line], str]:
    """The lines for the constant whose generated line is ``text``, and the file that they are of.

    Where the newest ``name = …`` of a cell spells the very value, that is what func.py says; where it
    computes the value, or another one, its comments alone are kept.
    """
    try:
        found = of_assignment(name, cells)
    except NoSource:
        return _generated(text), ""
    node, lines = found.node, found.text.splitlines()
    last = node.end_lineno or node.lineno
    rest = lines[last - 1].encode()[node.end_col_offset or 0 :].decode(errors="replace").strip()
    if node.col_offset or not (rest.startswith("#") or not rest):
        return _generated(text), ""
    above = comments_above(lines, node.lineno)
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and _says(node.value, name, text):
        own = [(number, lines[number - 1].rstrip()) for number in range(node.lineno, last + 1)]
        return [*above, *own], found.filename
    generated = _generated(f"{text}  {rest}" if rest else text)
    return [*above, *generated], found.filename if above else ""


def _generated(text: str) -> list[Line]:
    return [(0, line) for line in text.split("\n")]


def _says(expression: ast.expr, name: str, text: str) -> bool:
    """True if ``expression`` is the value that ``name = …`` of ``text`` is, without looking anything up."""
    try:
        value = ast.literal_eval(expression)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return f"{name} = {literal(value, _no_names)}" == text


def _no_names(_: object) -> None:
    return None
