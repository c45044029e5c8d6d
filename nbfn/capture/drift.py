"""Where the live object has moved away from its text: defaults, bases, attributes set later."""

from __future__ import annotations

import ast
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbfn.capture.definitions import NoSource
from nbfn.capture.literals import literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbfn.capture.definitions import Definition
    from nbfn.capture.live import Live


@dataclass(frozen=True, slots=True)
class Stale:
    """A name that was read when a function or class was defined, and is bound to something else since."""

    name: str
    line: int
    role: str
    """``default of n``, ``base class``."""


def stale_names(definition: Definition, value: object, live: Live) -> Iterator[Stale]:
    """Names in defaults and bases that no longer give what the live object holds."""
    node = definition.node
    if isinstance(node, ast.ClassDef) and isinstance(value, type):
        for base in node.bases:
            now = live.get(base.id) if isinstance(base, ast.Name) else None
            if isinstance(base, ast.Name) and isinstance(now, type) and now not in value.__mro__:
                yield Stale(base.id, base.lineno, "base class")
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and isinstance(value, types.FunctionType):
        for parameter, default, held in _defaults(node.args, value):
            root = _root(default)
            if root is not None and root.id in live:
                now = _look_up(default, live)
                if not _same(now, held) and (default is root or _is_plain(now)):
                    yield Stale(root.id, default.lineno, f"default of {parameter}")


def _defaults(args: ast.arguments, function: types.FunctionType) -> Iterator[tuple[str, ast.expr, object]]:
    places = [*args.posonlyargs, *args.args][::-1]
    held = (function.__defaults__ or ())[::-1]
    if len(held) == len(args.defaults):
        for place, default, value in zip(places, args.defaults[::-1], held, strict=False):
            yield place.arg, default, value
    keywords = function.__kwdefaults__ or {}
    for place, keyword_default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        if keyword_default is not None and place.arg in keywords:
            yield place.arg, keyword_default, keywords[place.arg]


def _root(expression: ast.expr) -> ast.Name | None:
    """The name that an expression like ``conf["rows"].limit`` begins with; None for any other."""
    while isinstance(expression, (ast.Attribute, ast.Subscript)):
        if isinstance(expression, ast.Subscript) and not isinstance(expression.slice, ast.Constant):
            return None
        expression = expression.value
    return expression if isinstance(expression, ast.Name) else None


def _look_up(expression: ast.expr, live: Live) -> Any:
    """What such an expression gives now; None if it fails."""
    try:
        match expression:
            case ast.Attribute(value=value, attr=name):
                return getattr(_look_up(value, live), name)
            case ast.Subscript(value=value, slice=ast.Constant(value=key)):
                return _look_up(value, live)[key]
    except (AttributeError, LookupError, TypeError):
        return None
    return live.get(expression.id) if isinstance(expression, ast.Name) else None


def _is_plain(value: object) -> bool:
    return type(value) in (int, float, str, bytes, bool)


def _same(now: object, held: object) -> bool:
    return now is held or (_is_plain(now) and type(now) is type(held) and now == held)


def _no_names(value: object) -> str | None:
    return None


def function_attributes(name: str, function: types.FunctionType) -> list[str]:
    """Lines that set what was set on the function after its ``def``: ``fib.memo = {}``.

    Raises:
        NoSource: such a value is no literal.
    """
    lines: list[str] = []
    for key, value in vars(function).items():
        if key.startswith("__"):
            continue
        text = literal(value, _no_names)
        if text is None:
            raise NoSource(f"has the attribute {key!r}, which is no literal")
        lines += f"{name}.{key} = {text}".split("\n")
    return lines


@dataclass(frozen=True, slots=True)
class Patch:
    """A method that was set on a class after its ``class`` statement."""

    attribute: str
    function: types.FunctionType


def class_changes(name: str, definition: Definition, cls: type, live: Live) -> tuple[list[str], list[Patch]]:
    """Lines that set class attributes to their live values, and methods set later."""
    lines: list[str] = []
    node = definition.node
    assert isinstance(node, ast.ClassDef)
    for part in node.body:
        target = _assigned(part)
        value = getattr(part, "value", None)
        if target is None or not isinstance(value, ast.expr) or target not in vars(cls):
            continue
        try:
            written = ast.literal_eval(value)
        except ValueError:
            continue
        held = vars(cls)[target]
        text = literal(held, _no_names)
        if text is not None and (type(held) is not type(written) or held != written):
            lines += f"{name}.{target} = {text}".split("\n")
    patches = [
        Patch(key, value)
        for key, value in vars(cls).items()
        if isinstance(value, types.FunctionType)
        and live.is_own(value)
        and "." not in value.__qualname__
        and not value.__code__.co_filename.startswith("<string>")
        and live.name_of(value) is not None
    ]
    return lines, patches


def _assigned(part: ast.stmt) -> str | None:
    match part:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return None
