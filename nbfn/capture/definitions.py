"""The text that a live function or class was made from, or the reason why there is none.

The live object decides: a text counts only if compiling it gives the very code that the object holds.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import linecache
import types
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from nbfn.capture.cells import parse
from nbfn.capture.names import uses_of_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbfn.capture.cells import Cells

_FUTURE = 0
for _name in __future__.all_feature_names:
    _FUTURE |= getattr(__future__, _name).compiler_flag

Def = ast.FunctionDef | ast.AsyncFunctionDef
NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


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
    free: tuple[str, ...] = ()
    """Variables of the function around it that it closes over."""

    @property
    def decorators(self) -> list[ast.expr]:
        """Its decorators, top first."""
        return self.node.decorator_list if isinstance(self.node, NAMED) else []

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


def of_function(function: types.FunctionType, cells: Cells, *, closures: bool = False) -> Definition:
    """The ``def`` statement or the lambda expression that made ``function``.

    Raises:
        NoSource: it is a method, it has no text, or its text needs variables of the function around it. With
            ``closures``, those that it closes over are no obstacle.
    """
    code = function.__code__
    if code.co_freevars and not closures:
        raise NoSource(f"closes over {', '.join(map(repr, code.co_freevars))}")
    if "." in _local_part(function.__qualname__) and "." in _local_part(code.co_qualname):
        raise NoSource("is a method")
    flags = code.co_flags & _FUTURE
    for text in _texts(code.co_filename, cells):
        tree = _tree(text)
        if tree is None or code not in _codes(text, flags):
            continue
        node = _lambda_node(code, tree) if code.co_name == "<lambda>" else _def_node(code, tree)
        if node is not None:
            found = Definition(node, code.co_filename, text, flags, code.co_freevars)
            _check_stands_alone(found, code)
            return found
    raise NoSource("has no source text")


def _local_part(qualname: str) -> str:
    """What follows the functions around it: ``Point.norm`` of ``make.<locals>.Point.norm``."""
    return qualname.rpartition("<locals>.")[2]


def _def_node(code: types.CodeType, tree: ast.Module) -> ast.stmt | None:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
    return None


def _check_stands_alone(found: Definition, code: types.CodeType) -> None:
    """Raises NoSource if a default, decorator or base is a variable of the function around it."""
    around = _variables_around(found.text, found.flags, code) - set(found.free)
    if not around:
        return
    for use in uses_of_node(found.node, flags=found.flags).loads:
        if use.at_once and use.name in around:
            raise NoSource(f"is defined with {use.name!r} of the function around it")


def _variables_around(text: str, flags: int, wanted: types.CodeType) -> set[str]:
    """Local names of the functions in whose bodies ``wanted`` is defined."""

    def search(code: types.CodeType, names: set[str]) -> set[str] | None:
        if code == wanted:
            return names
        own = {*code.co_varnames, *code.co_cellvars} if code.co_flags & inspect.CO_NEWLOCALS else set()
        for inner in code.co_consts:
            if isinstance(inner, types.CodeType):
                found = search(inner, names | own)
                if found is not None:
                    return found
        return None

    top = _compiled(text, flags)
    return (search(top, set()) if top is not None else None) or set()


def of_class(cls: type, cells: Cells) -> Definition:
    """The ``class`` statement that made ``cls``.

    Raises:
        NoSource: no text is found that fits the live class, or it needs variables of the function around it.
    """
    if "." in _local_part(cls.__qualname__):
        raise NoSource("was made inside another class")
    nested = "<locals>" in cls.__qualname__
    if nested:
        _check_methods(cls)
    found = _by_method(cls, cells) or _by_fit(cls, cells, nested=nested)
    if found is None:
        raise NoSource("has no source text")
    if nested:
        body = _class_code(found)
        if body is not None:
            _check_stands_alone(found, body)
    return found


def _by_fit(cls: type, cells: Cells, *, nested: bool) -> Definition | None:
    """The newest ``class`` statement of that name whose body makes what the live class has."""
    for cell in cells.newest_first():
        if cell.tree is None or not (nested or cls.__name__ in cell.names):
            continue
        for node in ast.walk(cell.tree) if nested else statements(cell.tree):
            if isinstance(node, ast.ClassDef) and node.name == cls.__name__ and _fits(node, cls):
                return Definition(node, cell.filename, cell.source, _future_of(node, cls))
    return None


def _check_methods(cls: type) -> None:
    for value in vars(cls).values():
        function = _plain(value)
        free = set(function.__code__.co_freevars) - {"__class__"} if function else set()
        if free and function and function.__module__ == cls.__module__:
            raise NoSource(f"has methods that close over {', '.join(map(repr, sorted(free)))}")


def _class_code(found: Definition) -> types.CodeType | None:
    """The code of a class's body."""
    for code in _codes(found.text, found.flags):
        name = found.node.name if isinstance(found.node, ast.ClassDef) else ""
        if (code.co_name, code.co_firstlineno) == (name, found.first_line):
            return code
    return None


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
                case (
                    ast.Assign(targets=[ast.Name(id=target)]) | ast.AnnAssign(target=ast.Name(id=target))
                ) if target == name:
                    return Definition(node, cell.filename, cell.source)
                case ast.stmt() if type(node).__name__ == "TypeAlias" and node.name.id == name:  # type: ignore[attr-defined]
                    return Definition(node, cell.filename, cell.source)
        break
    raise NoSource("has no source text")


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
def _compiled(text: str, flags: int) -> types.CodeType | None:
    tree = _tree(text)
    if tree is None:
        return None
    try:
        # A cell may await at its top level.
        more = flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code: types.CodeType = compile(tree, "<cell>", "exec", more, dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    return code


@lru_cache(maxsize=256)
def _codes(text: str, flags: int) -> frozenset[types.CodeType]:
    """Every code object that compiling ``text`` gives."""
    top = _compiled(text, flags)
    found, todo = set(), [] if top is None else [top]
    while todo:
        code = todo.pop()
        found.add(code)
        todo += [inner for inner in code.co_consts if isinstance(inner, types.CodeType)]
    return frozenset(found)


def _lambda_node(code: types.CodeType, tree: ast.Module) -> ast.stmt:
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
    inner = max(around, key=lambda node: (node.lineno, node.col_offset))
    return ast.copy_location(ast.Expr(inner), inner)


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
            for node in ast.walk(tree) if "<locals>" in cls.__qualname__ else statements(tree):
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
    made = {part.name for part in node.body if isinstance(part, NAMED)}
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
        if not isinstance(child, (*NAMED, ast.expr)):
            yield from statements(child)
