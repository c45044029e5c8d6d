"""What was done to a function or class after its definition: attributes, methods, implementations."""

from __future__ import annotations

import ast
import types
from dataclasses import replace
from typing import TYPE_CHECKING

from nbfn.capture import definitions, drift, texts
from nbfn.capture.names import uses_of_node

if TYPE_CHECKING:
    from nbfn.capture.definitions import Definition
    from nbfn.capture.walk import Walk


def changes(
    walk: Walk, name: str, definition: Definition, value: object
) -> tuple[list[str], list[tuple[str, bool]]]:
    """What was set on the object after its definition, as lines, and what those need."""
    node = definition.node
    if isinstance(node, ast.ClassDef) and isinstance(value, type):
        lines, patches = drift.class_changes(name, definition, value, walk.live)
        needs: list[tuple[str, bool]] = []
        for patch in patches:
            function = walk.live.name_of(patch.function)
            if function is not None:
                walk.want(function, None)
                lines.append(f"{name}.{patch.attribute} = {function}")
                needs.append((function, True))
        return (["", "", *lines] if lines else []), needs
    if hasattr(value, "registry") and hasattr(value, "register"):
        return _registered(walk, name, value)
    if isinstance(value, types.FunctionType) and not definition.decorators:
        lines = drift.function_attributes(name, value)
        return (["", "", *lines] if lines else []), []
    return [], []


def _registered(walk: Walk, name: str, value: object) -> tuple[list[str], list[tuple[str, bool]]]:
    """The implementations that were registered with a ``functools.singledispatch`` function."""
    lines: list[str] = []
    needs: list[tuple[str, bool]] = []
    for part in getattr(value, "registry", {}).values():
        if not isinstance(part, types.FunctionType) or not walk.live.is_own(part):
            continue
        found = definitions.of_function(part, walk.cells)
        if found.decorators and part is not getattr(value, "__wrapped__", None):
            lines += ["", "", *(line for _, line in texts.text_of(found, name=part.__name__))]
            uses = uses_of_node(found.node, flags=found.flags)
            needs += walk.follow(uses, name, found.filename, found.text)
    return lines, needs


def move_below_subclasses(walk: Walk) -> None:
    """Set what was changed on a class only when its subclasses are there: making them may change it too."""
    for name, count in walk.changed_classes.items():
        cls, piece = walk.live.get(name), walk.pieces[name]
        below = [
            other
            for other in walk.pieces
            if isinstance(made := walk.live.get(other), type) and made is not cls and cls in made.__mro__
        ]
        if below:
            lines = tuple(line for line in piece.lines[-count:] if line[1])
            needs = tuple((each, True) for each in (name, *below))
            walk.pieces[name] = replace(piece, lines=piece.lines[:-count])
            walk.pieces[f"{name} changed"] = replace(piece, lines=lines, needs=needs, block=False)
