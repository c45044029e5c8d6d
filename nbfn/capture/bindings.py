"""Which names a cell binds at its top level, and by which import (pure)."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHANGING = {
    *("add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "extendleft"),
    *("fill", "insert", "intersection_update", "move_to_end", "pop", "popitem", "popleft", "put", "remove"),
    *(
        "resize",
        "reverse",
        "rotate",
        "setdefault",
        "sort",
        "subtract",
        "symmetric_difference_update",
        "update",
    ),
}
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True, slots=True, order=True)
class Import:
    """One name brought in by an import statement."""

    module: str
    name: str = ""
    """The name taken ``from`` the module; empty for ``import module``."""
    alias: str = ""
    """What follows ``as``; empty if nothing does."""

    @property
    def binds(self) -> str:
        """The name that the statement makes."""
        return self.alias or self.name or self.module.partition(".")[0]

    def __str__(self) -> str:
        tail = f" as {self.alias}" if self.alias else ""
        if self.name:
            return f"from {self.module} import {self.name}{tail}"
        return f"import {self.module}{tail}"


def module_scope(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs in the tree's own scope, in order; functions and classes are not entered."""
    for child in ast.iter_child_nodes(tree):
        yield child
        if not isinstance(child, _SCOPES):
            yield from module_scope(child)


def imports_of(node: ast.AST) -> Iterator[Import]:
    """What an import statement brings in; nothing for another node or a relative import."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, alias=alias.asname or "")
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        for alias in node.names:
            renamed = alias.asname if alias.asname and alias.asname != alias.name else ""
            yield Import(node.module, alias.name, renamed)


def bound_names(tree: ast.Module) -> dict[str, int]:
    """Each name that running ``tree`` may bind in the module, with the first line that does."""
    found: dict[str, int] = {}
    for node in module_scope(tree):
        for name in _binds(node):
            found.setdefault(name, getattr(node, "lineno", 1))
    for node in ast.walk(tree):  # ``global x`` in a function makes x when that function runs
        if isinstance(node, ast.Global):
            for name in node.names:
                found.setdefault(name, node.lineno)
    return found


def changed_names(tree: ast.Module) -> frozenset[str]:
    """Names whose values running ``tree`` may change in place: ``x[0] = …``, ``x.y = …``, ``x.append(…)``."""
    return frozenset(name for node in module_scope(tree) if (name := _changes(node)) is not None)


def _changes(node: ast.AST) -> str | None:
    match node:
        case ast.Subscript(ctx=ast.Store() | ast.Del()) | ast.Attribute(ctx=ast.Store() | ast.Del()):
            at: ast.AST = node
        case ast.Call(func=ast.Attribute(attr=attribute)) if attribute in _CHANGING:
            at = node.func
        case _:
            return None
    while isinstance(at, (ast.Subscript, ast.Attribute)):
        at = at.value
    return at.id if isinstance(at, ast.Name) else None


def _binds(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
        case ast.Import() | ast.ImportFrom():
            yield from (found.binds for found in imports_of(node) if found.name != "*")
        case _:
            if type(node).__name__ == "TypeAlias":  # Python 3.12's ``type X = …``
                yield node.name.id  # type: ignore[attr-defined]
