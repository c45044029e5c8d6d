"""A definition's lines as func.py shows them: not indented, under their name, with the comments above (pure).

A closure becomes a function that makes it, called with what it closes over.
"""

from __future__ import annotations

import ast
import re
import textwrap
from typing import TYPE_CHECKING

from nbfn.capture.definitions import NAMED, NoSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbfn.capture.definitions import Definition

Line = tuple[int, str]
"""A line with its number in the cell or file; 0 if it came from nowhere."""

_CELL_MARK = re.compile(r"#\s?(%%|In\[|<codecell>|!|-\*-)")


def text_of(definition: Definition, *, name: str, without: frozenset[int] = frozenset()) -> list[Line]:
    """Its lines: not indented, ``without`` some, bound to ``name``.

    Where removing the indentation would change a string, the lines stay as they are under ``if True:``.
    """
    lines = definition.text.splitlines()
    node = definition.node
    above = comments_above(lines, definition.first_line)
    if not isinstance(node, NAMED):
        segment = ast.get_source_segment(definition.text, node) or ""
        if isinstance(node, ast.Expr):  # a lambda
            segment = f"{name} = ({segment})" if "\n" in segment else f"{name} = {segment}"
            above = []  # they speak of the statement that it is a part of
        rows = [(node.lineno + at, line) for at, line in enumerate(segment.split("\n"))]
        return [*((number, line.strip()) for number, line in above), *rows]
    kept = [
        (number, lines[number - 1].rstrip("\r\n"))
        for number in range(definition.first_line, definition.last_line + 1)
        if number not in without
    ]
    if name != node.name:
        at = next(index for index, (number, _) in enumerate(kept) if number == node.lineno)
        kept[at] = (node.lineno, _rename(kept[at][1], node.name, name))
    kept = [*above, *kept]
    if not kept[0][1][:1].isspace():
        return kept
    moved = _indented(kept, "")
    return [(0, "if True:"), *kept] if moved is None else moved


def factory_text(definition: Definition, name: str, maker: str, arguments: Mapping[str, str]) -> list[Line]:
    """A closure as a function ``maker`` that makes it, and the call that gives it what it closes over.

    Raises:
        NoSource: it cannot be indented without changing a string.
    """
    node = definition.node
    lines = definition.text.splitlines()
    if isinstance(node, NAMED):
        own = [
            (number, lines[number - 1]) for number in range(definition.first_line, definition.last_line + 1)
        ]
        inner = _indented(own, "    ")
        if inner is None:
            raise NoSource("has a text of several lines that cannot be indented")
        inner += [(0, ""), (0, f"    return {node.name}")]
    else:
        segment = ast.get_source_segment(definition.text, node) or ""
        parts = (f"({segment})" if "\n" in segment else segment).split("\n")
        inner = [(node.lineno + at, line) for at, line in enumerate(parts)]
        inner[0] = (node.lineno, f"    return {parts[0]}")
    parameters = [variable for variable in definition.free if variable in arguments]
    given = ", ".join(f"{variable}={arguments[variable]}" for variable in parameters)
    return [
        (0, f"def {maker}({', '.join(parameters)}):"),
        *inner,
        (0, ""),
        (0, ""),
        (0, f"{name} = {maker}({given})"),
    ]


def comments_above(lines: Sequence[str], first: int) -> list[Line]:
    """The lines of comment directly above line ``first``, as far indented as it is."""
    indent = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
    found: list[Line] = []
    for number in range(first - 1, 0, -1):
        line = lines[number - 1].rstrip()
        if not line.startswith(f"{indent}#") or _CELL_MARK.match(line.strip()):
            break
        found.append((number, line))
    return found[::-1]


def _indented(lines: Sequence[Line], indent: str) -> list[Line] | None:
    """The lines of one statement, indented by ``indent``; None if that changes what it says."""
    raw = "\n".join(line for _, line in lines)
    if raw.startswith(indent) and not raw[len(indent) :][:1].isspace():
        return list(lines)
    moved = textwrap.indent(textwrap.dedent(raw), indent)
    if moved[len(indent) :][:1].isspace():
        return None
    try:
        same = ast.dump(_statement(moved)) == ast.dump(_statement(raw))
    except SyntaxError:
        return None
    return (
        [(number, line) for (number, _), line in zip(lines, moved.split("\n"), strict=True)] if same else None
    )


def _statement(text: str) -> ast.stmt:
    if not text[:1].isspace():
        return ast.parse(text).body[0]
    outer = ast.parse("if True:\n" + text).body[0]
    assert isinstance(outer, ast.If)
    return outer.body[0]


def _rename(line: str, old: str, new: str) -> str:
    head, keyword, tail = line.partition("class " if line.lstrip().startswith("class ") else "def ")
    return head + keyword + tail.replace(old, new, 1)
