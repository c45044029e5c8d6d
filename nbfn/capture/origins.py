"""The definition behind a live name, seen through decorators."""

from __future__ import annotations

import ast
import types
import typing
from collections import deque
from typing import TYPE_CHECKING

from nbfn.capture import definitions
from nbfn.capture.closures import closed_over
from nbfn.capture.definitions import Definition, NoSource
from nbfn.capture.live import nbfn_decorators, peel

if TYPE_CHECKING:
    from nbfn.capture.cells import Cells
    from nbfn.capture.live import Live

TYPE_WORDS = (typing.TypeVar, typing.ParamSpec, typing.NewType, types.GenericAlias, types.UnionType)
"""What annotations are made of, beside classes."""
_DEPTH_MAX = 4


def definition(name: str, value: object, live: Live, cells: Cells) -> Definition | None:
    """The text behind a function, class or type; None if ``value`` is an ordinary value.

    Raises:
        NoSource: it is a function or class of the notebook, and no text says what it does.
    """
    if isinstance(value, type) and live.is_own(value):
        return _of_class(name, value, cells)
    if isinstance(value, TYPE_WORDS) or type(value).__module__ == "typing":
        try:
            return definitions.of_assignment(name, cells)
        except NoSource:
            return None
    if isinstance(value, types.FunctionType) and live.is_own(value):
        try:
            return definitions.of_function(value, cells)
        except NoSource:
            decorated = _decorated(name, value, live, cells)
            if decorated is not None:
                return decorated
            closed_over(value)  # raises where no text could say it
            return definitions.of_function(value, cells, closures=True)
    return _decorated(name, value, live, cells) if callable(value) else None


def _of_class(name: str, cls: type, cells: Cells) -> Definition:
    """Its ``class`` statement, or the call that made it: ``Point = namedtuple(…)``."""
    try:
        return definitions.of_class(cls, cells)
    except NoSource:
        if "<locals>" in cls.__qualname__:
            raise
        found = definitions.of_assignment(name, cells)
        if not isinstance(found.node, ast.Assign) or not isinstance(found.node.value, ast.Call):
            raise
        return found


def own_decorators(found: Definition, live: Live) -> list[ast.expr]:
    """The decorators that travel: all but nbfn's."""
    ours = nbfn_decorators(found.decorators, live)
    return [decorator for decorator in found.decorators if decorator not in ours]


def _decorated(name: str, value: object, live: Live, cells: Cells) -> Definition | None:
    """The decorated ``def name`` or ``class name`` that made ``value``.

    The way in is ``__wrapped__``, then what the decorator's wrapper closes over or holds.
    """
    todo: deque[tuple[object, int]] = deque([(value, 0)])
    seen: set[int] = set()
    while todo:
        at, depth = todo.popleft()
        if id(at) in seen or depth > _DEPTH_MAX:
            continue
        seen.add(id(at))
        if depth and live.is_own(at) and getattr(at, "__name__", None) == name:
            found = _plain(at, cells)
            # ``f = timed(f)`` is no decorator: its text must show as many as there are layers.
            if found and len(own_decorators(found, live)) >= max(_layers(value), 1):
                return found
        todo += [(part, depth + 1) for part in _held(at)]
    return None


def _plain(value: object, cells: Cells) -> Definition | None:
    try:
        if isinstance(value, types.FunctionType):
            return definitions.of_function(value, cells)
        if isinstance(value, type):
            return definitions.of_class(value, cells)
    except NoSource:
        return None
    return None


def _layers(value: object) -> int:
    count = 0
    while (value := peel(getattr(value, "__wrapped__", None))) is not None and count <= _DEPTH_MAX:
        count += 1
    return count


def _held(value: object) -> list[object]:
    """What a decorator's result may hold the decorated object in."""
    found: list[object] = [getattr(value, "__wrapped__", None)]
    for cell in getattr(value, "__closure__", None) or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # an empty cell
            continue
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict) and not isinstance(value, type):
        found += attributes.values()
    return [
        peel(part)
        for part in found
        if isinstance(part, (types.FunctionType, type)) or hasattr(part, "__wrapped__")
    ]
