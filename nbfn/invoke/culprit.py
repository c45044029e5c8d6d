"""Which part of which argument cannot travel, in words: "cannot pickle '_thread.lock'" names neither."""

from __future__ import annotations

import inspect
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from nbfn.invoke.context import CallContext

    Why = Callable[[object], str]

_DEPTH_MAX = 20
_PARTS_MAX = 2_000  # of one container; what is beyond is not looked into


class Culprit(NamedTuple):
    """The innermost part that cannot travel by itself: ``path`` leads there, ``["model"].lock``."""

    path: str
    part: object
    reason: str


def find(value: object, why: Why) -> Culprit | None:
    """The culprit in ``value``; None if ``why`` finds nothing wrong with it.

    ``why(part)`` says why a part cannot travel, or ``""``.
    """
    reason = why(value)
    if not reason:
        return None
    path, seen = "", {id(value)}
    for _ in range(_DEPTH_MAX):
        for step, part in islice(_parts(value), _PARTS_MAX):
            if id(part) not in seen and (inner := why(part)):
                path, value, reason = path + step, part, inner
                seen.add(id(part))
                break
        else:
            break
    return Culprit(path, value, reason)


def describe_first(
    function: str, args: Sequence[object], kwargs: Mapping[str, object], context: CallContext, why: Why
) -> str:
    """A sentence about the first argument that cannot travel."""
    for label, value in _labelled(function, args, kwargs, context):
        found = find(value, why)
        if found is None:
            continue
        whole = f"argument {label} of {function}() is {_a(value)}"
        if not found.path:
            return f"{whole} that cannot be sent: {found.reason}"
        return f"{whole}, and its part {found.path}, {_a(found.part)}, cannot be sent: {found.reason}"
    return f"the arguments of {function}() cannot be sent together"


def _labelled(
    function: str, args: Sequence[object], kwargs: Mapping[str, object], context: CallContext
) -> Iterator[tuple[str, object]]:
    names = _parameter_names(context.namespace.get(function))
    for index, value in enumerate(args):
        yield f"{names[index]!r}" if index < len(names) else str(index + 1), value
    for name, value in kwargs.items():
        yield repr(name), value


def _parameter_names(function: object) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _parts(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield f" key {key!r}", key
            yield f"[{key!r}]", item
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            yield f"[{index}]", item
    elif not isinstance(value, type):
        own = getattr(value, "__dict__", None)
        if isinstance(own, dict):
            for name, item in own.items():
                yield f".{name}", item
        for name in getattr(type(value), "__slots__", ()):
            if hasattr(value, name):
                yield f".{name}", getattr(value, name)


def _a(value: object) -> str:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    name = name.removeprefix("__main__.")
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
