"""Which global names a piece of code uses, and where (pure).

The compiler decides what is global, so the answer is its answer: the code is compiled and its
``LOAD_GLOBAL`` and ``LOAD_NAME`` instructions are read, each of which knows its position.
"""

from __future__ import annotations

import ast
import dis
import inspect
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

# Scopes that the compiler makes of code which runs at once, where it stands.
_RUNS_AT_ONCE = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<generic parameters")
_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_MODULE_NAMES = {"__name__", "__file__", "__doc__", "__builtins__", "__spec__", "__loader__", "__package__"}


Chains = dict[tuple[int, int], tuple[str, ...]]
"""Attributes taken of a name, by the line and column of the name."""


@dataclass(frozen=True, slots=True)
class Use:
    """A global name, used."""

    name: str
    line: int
    at_once: bool
    """True if it is needed when the code is defined (decorators, defaults, bases, class bodies)."""
    chain: tuple[str, ...] = ()
    """Attributes taken of it: ``("path", "join")`` for ``os.path.join``."""
    needed: bool = True
    """False if it is only spoken of, as in an annotation that nothing evaluates."""


@dataclass(frozen=True, slots=True)
class Uses:
    """What a piece of code asks of its module."""

    loads: tuple[Use, ...]
    """In the order of the text, each name and chain once per kind."""
    stores: frozenset[str]
    """Names that it makes itself, by ``global``."""

    def without(self, names: Collection[str]) -> Uses:
        """The same but for names that are no global ones where the code really stands."""
        return Uses(tuple(use for use in self.loads if use.name not in names), self.stores)


def uses_of_node(node: ast.stmt, *, flags: int = 0) -> Uses:
    """What a function, class or assignment uses. ``flags`` as of :func:`compile` (future annotations)."""
    code = compile(ast.Module([node], []), "<piece>", "exec", flags=flags, dont_inherit=True)
    own = {node.name} if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) else set()
    chains = _chains(node)
    found, stores = _read(code, chains, at_once=True, module=True)
    spoken = _spoken(node)
    loads = sorted([*found, *spoken], key=lambda use: (use.line, not use.needed))
    return Uses(tuple(_distinct(use for use in loads if not (use.at_once and use.name in own))), stores)


def uses_of_code(code: types.CodeType) -> Uses:
    """What a function without source uses; attribute chains are not known."""
    found, stores = _read(code, {}, at_once=False)
    return Uses(tuple(_distinct(found)), stores)


def _read(
    code: types.CodeType,
    chains: dict[tuple[int, int], tuple[str, ...]],
    *,
    at_once: bool,
    module: bool = False,
) -> tuple[list[Use], frozenset[str]]:
    """Uses of one code object and all within it.

    ``at_once`` tells that the code runs while the module loads. Names of a class body are looked up
    in the body first: there a name counts as global until the body has stored it.
    """
    found: list[Use] = []
    stores: set[str] = set()
    stored: set[str] = set()
    for step in dis.get_instructions(code):
        name = step.argval
        if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            stores.add(name)
        elif step.opname == "STORE_NAME" and not module:
            stored.add(name)
        elif step.opname in _LOADS and name not in stored and name not in _MODULE_NAMES:
            place = step.positions
            line = (place.lineno if place else None) or code.co_firstlineno
            column = (place.col_offset if place else None) or 0
            found.append(Use(name, line, at_once, chains.get((line, column), ())))
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            # A class body at the top level and a comprehension run at once, a function's body later.
            plain = not inner.co_flags & inspect.CO_NEWLOCALS
            soon = at_once and (plain or inner.co_name.startswith(_RUNS_AT_ONCE))
            more, made = _read(inner, chains, at_once=soon)
            found += more
            stores |= made
    return found, frozenset(stores)


def _chains(node: ast.AST) -> Chains:
    """The longest attribute chain that begins at each name, by the name's position."""
    found: Chains = {}
    for outer in ast.walk(node):
        attributes: list[str] = []
        at: ast.AST = outer
        while isinstance(at, ast.Attribute):
            attributes.append(at.attr)
            at = at.value
        if isinstance(at, ast.Name):
            place = (at.lineno, at.col_offset)
            if len(attributes) > len(found.get(place, ())):
                found[place] = tuple(reversed(attributes))
    return found


def _spoken(node: ast.AST) -> Iterator[Use]:
    """Names in the annotations of signatures and classes, also in those that are text."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for inner in ast.walk(node):
        annotations: list[ast.expr | None] = []
        if isinstance(inner, functions):
            annotations = [inner.returns]
        elif isinstance(inner, ast.arg):
            annotations = [inner.annotation]
        elif isinstance(inner, ast.ClassDef):
            annotations = [part.annotation for part in inner.body if isinstance(part, ast.AnnAssign)]
        for annotation in annotations:
            if annotation is not None:
                yield from _names_in(annotation, annotation.lineno)


def _names_in(expression: ast.expr, line: int) -> Iterator[Use]:
    chains = _chains(expression)
    for node in ast.walk(expression):
        if isinstance(node, ast.Name):
            yield Use(node.id, line, False, chains.get((node.lineno, node.col_offset), ()), needed=False)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                inner = ast.parse(node.value, mode="eval").body
            except (SyntaxError, ValueError):
                continue
            yield from _names_in(inner, line)


def _distinct(uses: Iterable[Use]) -> Iterator[Use]:
    seen: set[tuple[object, ...]] = set()
    for use in uses:
        key = (use.name, use.at_once, use.chain, use.needed)
        if key not in seen:
            seen.add(key)
            yield use
