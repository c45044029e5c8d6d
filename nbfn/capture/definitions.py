"""The text that a live function or class was made from, or the reason why there is none.

The live object decides: a text counts only if compiling it gives the very code that the object holds.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import inspect
import linecache
import textwrap
import types
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from nbfn.capture.cells import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbfn.capture.cells import Cells

_FUTURE = 0
for _name in __future__.all_feature_names:
    _FUTURE |= getattr(__future__, _name).compiler_flag

Def = ast.FunctionDef | ast.AsyncFunctionDef
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Definition:
    """Text of a cell or file that makes a function, a class or a constant of the type system.

    ``node`` is its statement, or for a lambda the expression by itself.
    """

    node: ast.stmt
    filename: str
    text: str
    """The whole text of the cell or file."""
    flags: int = 0
    """Its ``from __future__`` features, as :func:`compile` takes them."""

    @property
    def decorators(self) -> list[ast.expr]:
        """Its decorators, top first."""
        return self.node.decorator_list if isinstance(self.node, _NAMED) else []

    @property
    def first_line(self) -> int:
        """Its first line, decorators included."""
        return min([self.node.lineno, *(decorator.lineno for decorator in self.decorators)])

    @property
    def last_line(self) -> int:
        """Its last line, inclusive."""
        return self.node.end_lineno or self.node.lineno

    @property
    def future_annotations(self) -> bool:
        """True if it was compiled with ``from __future__ import annotations``."""
        return bool(self.flags & __future__.annotations.compiler_flag)


class NoSource(Exception):
    """There is no text that says what a function or class does; the message says why."""


def of_function(function: types.FunctionType, cells: Cells) -> Definition:
    """The ``def`` statement or the lambda expression that made ``function``.

    Raises:
        NoSource: it closes over variables, was made in another function, or has no text.
    """
    code = function.__code__
    if code.co_freevars:
        raise NoSource(f"closes over {', '.join(map(repr, code.co_freevars))}")
    if "<locals>" in function.__qualname__:
        raise NoSource("was made inside another function")
    if "." in function.__qualname__:
        raise NoSource("is a method")
    flags = code.co_flags & _FUTURE
    for text in _texts(code.co_filename, cells):
        tree = _tree(text)
        if tree is None or code not in _codes(text, flags):
            continue
        if code.co_name == "<lambda>":
            inner = _lambda_node(code, tree)
            return Definition(ast.copy_location(ast.Expr(inner), inner), code.co_filename, text, flags)
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found = Definition(node, code.co_filename, text, flags)
                if node.name == code.co_name and found.first_line == code.co_firstlineno:
                    return found
    raise NoSource("has no source text")


def of_class(cls: type, cells: Cells) -> Definition:
    """The ``class`` statement that made ``cls``.

    Raises:
        NoSource: no text is found that fits the live class.
    """
    if "<locals>" in cls.__qualname__ or "." in cls.__qualname__:
        raise NoSource("was made inside another function or class")
    by_method = _by_method(cls, cells)
    if by_method:
        return by_method
    for cell in cells.newest_first():
        if cell.tree is None or cls.__name__ not in cell.names:
            continue
        for node in statements(cell.tree):
            if isinstance(node, ast.ClassDef) and node.name == cls.__name__ and _fits(node, cls):
                return Definition(node, cell.filename, cell.source, _future_of(node, cls))
    raise NoSource("has no source text")


def of_assignment(name: str, cells: Cells) -> Definition:
    """The newest ``name = call(…)`` or ``name = expression`` at the top level of a cell.

    Raises:
        NoSource: no cell has one.
    """
    for cell in cells.newest_first():
        if cell.tree is None or name not in cell.names:
            continue
        for node in reversed(list(statements(cell.tree))):
            match node:
                case ast.Assign(targets=[ast.Name(id=target)]) if target == name:
                    return Definition(node, cell.filename, cell.source)
                case ast.stmt() if type(node).__name__ == "TypeAlias" and node.name.id == name:  # type: ignore[attr-defined]
                    return Definition(node, cell.filename, cell.source)
        break
    raise NoSource("has no source text")


def text_of(
    definition: Definition, *, name: str, without: frozenset[int] = frozenset()
) -> list[tuple[int, str]]:
    """Its lines, each with its number in the file: not indented, ``without`` some lines, bound to ``name``.

    Where removing the indentation would change a string, the lines stay as they are under ``if True:``
    (numbered 0).
    """
    lines = definition.text.splitlines()
    node = definition.node
    if not isinstance(node, _NAMED):
        segment = ast.get_source_segment(definition.text, node) or ""
        if isinstance(node, ast.Expr):  # a lambda
            segment = f"{name} = ({segment})" if "\n" in segment else f"{name} = {segment}"
        return [(node.lineno + at, line) for at, line in enumerate(segment.split("\n"))]
    kept = [
        (number, lines[number - 1].rstrip("\r\n"))
        for number in range(definition.first_line, definition.last_line + 1)
        if number not in without
    ]
    if name != node.name:
        at = next(index for index, (number, _) in enumerate(kept) if number == node.lineno)
        kept[at] = (node.lineno, _rename(kept[at][1], node.name, name))
    if not kept[0][1][:1].isspace():
        return kept
    raw = "\n".join(line for _, line in kept)
    dedented = textwrap.dedent(raw)
    wrapped = "if True:\n" + raw
    with contextlib.suppress(SyntaxError):
        if ast.dump(ast.parse(dedented).body[0]) == ast.dump(ast.parse(wrapped).body[0].body[0]):  # type: ignore[attr-defined]
            return [(number, line) for (number, _), line in zip(kept, dedented.split("\n"), strict=True)]
    return [(0, "if True:"), *kept]


def _rename(line: str, old: str, new: str) -> str:
    head, keyword, tail = line.partition("class " if line.lstrip().startswith("class ") else "def ")
    return head + keyword + tail.replace(old, new, 1)


def _texts(filename: str, cells: Cells) -> Iterator[str]:
    """Texts that may lie behind a ``co_filename``: what the kernel's linecache holds, then the cell."""
    if lines := linecache.getlines(filename):
        yield "".join(lines)
    cell = cells.of_file(filename)
    if cell is not None:
        yield cell.source


@lru_cache(maxsize=256)
def _tree(text: str) -> ast.Module | None:
    return parse(text)


@lru_cache(maxsize=256)
def _codes(text: str, flags: int) -> frozenset[types.CodeType]:
    """Every code object that compiling ``text`` gives."""
    tree = _tree(text)
    if tree is None:
        return frozenset()
    try:
        # A cell may await at its top level.
        top = compile(tree, "<cell>", "exec", flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError):
        return frozenset()
    found, todo = set(), [top]
    while todo:
        code = todo.pop()
        found.add(code)
        todo += [inner for inner in code.co_consts if isinstance(inner, types.CodeType)]
    return frozenset(found)


def _lambda_node(code: types.CodeType, tree: ast.Module) -> ast.Lambda:
    """The smallest lambda of ``tree`` around the first instruction of ``code`` that has a column."""
    place = next(
        (p for p in code.co_positions() if None not in p and p[1:] != (0, 0, 0) and p[2:] != (0, 0)), None
    )
    if place is None:
        raise NoSource("is a lambda whose place in the text is not known")
    line, last, column, end = place
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Lambda)
        and (node.lineno, node.col_offset) <= (line, column)
        and (last, end) <= (node.end_lineno, node.end_col_offset)
    ]
    if not around:
        raise NoSource("is a lambda whose place in the text is not known")
    return max(around, key=lambda node: (node.lineno, node.col_offset))


def _by_method(cls: type, cells: Cells) -> Definition | None:
    """Follow the class's own methods to the text: the class statement around one of them."""
    for value in vars(cls).values():
        function = _plain(value)
        if function is None or function.__qualname__ != f"{cls.__qualname__}.{function.__name__}":
            continue
        code = function.__code__
        flags = code.co_flags & _FUTURE
        for text in _texts(code.co_filename, cells):
            tree = _tree(text)
            if tree is None or code not in _codes(text, flags):
                continue
            for node in statements(tree):
                if (
                    isinstance(node, ast.ClassDef)
                    and node.name == cls.__name__
                    and node.lineno <= code.co_firstlineno <= (node.end_lineno or 0)
                ):
                    return Definition(node, code.co_filename, text, flags)
    return None


def _plain(value: object) -> types.FunctionType | None:
    """The function behind a class attribute, if it is one that a ``def`` in the body made."""
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    elif isinstance(value, property):
        value = value.fget
    value = inspect.unwrap(value) if callable(value) else value
    return value if isinstance(value, types.FunctionType) else None


def _fits(node: ast.ClassDef, cls: type) -> bool:
    """True if ``cls`` has what the body of ``node`` makes, and annotates the same names."""
    if set(_annotated(node)) != set(inspect.get_annotations(cls)):
        return False
    made = {part.name for part in node.body if isinstance(part, _NAMED)}
    for part in node.body:
        if isinstance(part, ast.Assign):
            made |= {target.id for target in part.targets if isinstance(target, ast.Name)}
    held = {*vars(cls), *getattr(cls, "_member_map_", ())}
    return {name for name in made if not name.startswith("_")} <= held


def _annotated(node: ast.ClassDef) -> dict[str, ast.expr]:
    return {
        part.target.id: part.annotation
        for part in node.body
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    }


def _future_of(node: ast.ClassDef, cls: type) -> int:
    """A class without methods has no code object to ask: its annotations tell by being text."""
    live = inspect.get_annotations(cls)
    late = any(
        isinstance(live[name], str) and not isinstance(annotation, ast.Constant)
        for name, annotation in _annotated(node).items()
    )
    return __future__.annotations.compiler_flag if late else 0


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Statements at the top level, also those inside ``if``, ``try``, ``with`` and loops, in order."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.stmt):
            yield child
        if not isinstance(child, (*_NAMED, ast.expr)):
            yield from statements(child)
