"""Functions that close over variables, as source: what each variable holds (pure)."""

from __future__ import annotations

import dis
import types
from typing import TYPE_CHECKING

from nbfn.capture.definitions import NAMED, NoSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbfn.capture.definitions import Definition


def closed_over(function: types.FunctionType) -> dict[str, object]:
    """What each variable holds that ``function`` closes over, without the function itself.

    Raises:
        NoSource: the function sets one of them, one is empty, or one only makes sense in a class.
    """
    code = function.__code__
    rebound = sorted(set(_rebound(code)))
    if rebound:
        raise NoSource(f"closes over {', '.join(map(repr, rebound))} and sets it anew")
    found: dict[str, object] = {}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        if name == "__class__":
            raise NoSource("is a method")
        try:
            value = cell.cell_contents
        except ValueError:
            raise NoSource(f"closes over {name!r}, which holds nothing yet") from None
        if value is not function:
            found[name] = value
        elif name != code.co_name:
            raise NoSource(f"closes over itself as {name!r}")
    return found


def names_only_itself(definition: Definition, name: str) -> bool:
    """True for a function that closes over nothing but itself: under ``name`` it is an ordinary recursion."""
    node = definition.node
    return isinstance(node, NAMED) and definition.free == (node.name,) and node.name == name


def _rebound(code: types.CodeType) -> Iterator[str]:
    """Names from around ``code`` that it, or a function inside it, assigns or deletes."""
    for step in dis.get_instructions(code):
        if step.opname in ("STORE_DEREF", "DELETE_DEREF") and step.argval in code.co_freevars:
            yield step.argval
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from (name for name in _rebound(inner) if name in code.co_freevars)
