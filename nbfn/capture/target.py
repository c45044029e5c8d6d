"""Which function of a cell is meant (pure)."""

from __future__ import annotations

import ast

from nbfn.capture.cells import parse
from nbfn.capture.definitions import Def, statements
from nbfn.errors import CellError


def find_target(source: str, name: str | None) -> str:
    """The top-level function that a cell is about.

    ``name``, if the cell defines a function of that name; else the only function; else the only one that no
    other function of the cell uses.

    Raises:
        CellError: the cell does not parse, defines no function, or several could be meant.
    """
    tree = parse(source)
    if tree is None:
        raise _syntax_error(source)
    defs: dict[str, Def] = {
        node.name: node
        for node in statements(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    if not defs:
        raise CellError(
            "the cell defines no function",
            hint="write the function in this cell: def greet(name): …",
        )
    if name in defs:
        return name
    if len(defs) == 1:
        return next(iter(defs))
    used = {
        node.id
        for own, function in defs.items()
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and node.id != own
    }
    tops = [own for own in defs if own not in used]
    if len(tops) == 1:
        return tops[0]
    listed = ", ".join(tops or defs)
    if name is None:
        raise CellError(
            f"the cell defines several functions: {listed}",
            hint=f"say which one: %%fn_deploy {(tops or list(defs))[0]}",
        )
    raise CellError(
        f"{name!r} is not a function of this cell, which defines several: {listed}",
        hint=f"name one of them: %%fn_deploy {(tops or list(defs))[0]}",
    )


def _syntax_error(source: str) -> CellError:
    try:
        ast.parse(source)
    except SyntaxError as error:
        line = error.lineno or 1
        lines = source.splitlines()
        text = lines[line - 1] if 0 < line <= len(lines) else ""
        caret = " " * max((error.offset or 1) - 1, 0) + "^"
        return CellError(
            f"line {line}: {error.msg}\n    {text}\n    {caret}",
            hint="correct that line and run the cell again",
            line=line,
        )
    except ValueError as error:
        return CellError(f"the cell is not Python: {error}", hint="correct it and run the cell again")
    raise AssertionError("a text that parses has no syntax error")
