"""Functions that close over variables, as source: a function that makes them, called with what they hold."""

from __future__ import annotations

import dis
import types
from typing import TYPE_CHECKING

from nbfn.capture import texts
from nbfn.capture.definitions import NoSource
from nbfn.capture.explain import Part
from nbfn.capture.literals import is_fixed, literal
from nbfn.capture.references import References

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from nbfn.capture.definitions import Definition
    from nbfn.capture.explain import Site
    from nbfn.capture.walk import Walk

_INLINE_MAX = 60


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


def factory(
    walk: Walk,
    name: str,
    definition: Definition,
    function: types.FunctionType,
    apart: Collection[str],
    site: Site | None,
) -> tuple[list[texts.Line], list[tuple[str, bool]]]:
    """A closure as a factory function, called with the values of the variables in ``apart``."""
    held = closed_over(function)
    walk.check_limits(name, function, site)
    names = References(walk, name, function, site)
    arguments = {
        variable: _argument(walk, name, variable, held[variable], names)
        for variable in apart
        if variable in held
    }
    maker = walk.live.adopt(f"_make_{name.lstrip('_')}", definition)
    return texts.factory_text(definition, name, maker, arguments), names.needs


def _argument(walk: Walk, owner: str, variable: str, value: object, names: References) -> str:
    """An expression for one value that ``owner`` closes over; those that have no name get one."""
    if is_fixed(value):
        text = literal(value, names.spelled)
        if text is not None and "\n" not in text and len(text) <= _INLINE_MAX:
            return text
    elif not _is_nameless(walk, value) and (spelled := names.spelled(value)) is not None:
        return spelled
    holder = None if is_fixed(value) else walk.live.holder_of(value)
    if holder is None:
        holder = walk.live.adopt(f"{owner.lstrip('_')}_{variable}", value)
        walk.explain.parts[holder] = Part(
            owner, walk.live.get(owner), names.site, f".__closure__[{variable!r}]"
        )
    walk.want(holder, names.site)
    names.needs.append((holder, True))
    return holder


def _is_nameless(walk: Walk, value: object) -> bool:
    """True for a function or class of the notebook that only its own text can tell."""
    if not isinstance(value, (types.FunctionType, type)) or not walk.live.is_own(value):
        return False
    simple = isinstance(value, types.FunctionType) and value.__name__ == "<lambda>" and not value.__closure__
    return walk.live.name_of(value) is None and not simple


def held_apart(walk: Walk, definition: Definition, name: str, value: object) -> tuple[str, ...]:
    """The variables that ``name`` closes over and that func.py's own globals cannot stand for.

    A function, class or module that func.py has under the very name of the variable needs no closure: so two
    functions that were made beside each other stand beside each other again.
    """
    if not definition.free or not isinstance(value, types.FunctionType):
        return ()
    held = closed_over(value)

    def is_global(variable: str) -> bool:
        return _is_global(walk, variable, held[variable], name) if variable in held else variable == name

    return tuple(variable for variable in definition.free if not is_global(variable))


def _is_global(walk: Walk, variable: str, value: object, owner: str) -> bool:
    if not isinstance(value, (types.ModuleType, types.FunctionType, type)):
        return False
    if variable in walk.live:
        return walk.live.get(variable) is value
    if walk.live.is_builtin(variable):
        return False
    if isinstance(value, types.ModuleType):
        return walk.live.adopt(variable, value) == variable
    if not walk.live.is_own(value) or walk.live.name_of(value) or value.__name__ != variable:
        return False
    return walk.adopt(value, owner) == variable


def _rebound(code: types.CodeType) -> Iterator[str]:
    """Names from around ``code`` that it, or a function inside it, assigns or deletes."""
    for step in dis.get_instructions(code):
        if step.opname in ("STORE_DEREF", "DELETE_DEREF") and step.argval in code.co_freevars:
            yield step.argval
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from (name for name in _rebound(inner) if name in code.co_freevars)
