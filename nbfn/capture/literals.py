"""Values as readable Python (pure, but for the names that the caller lends)."""

from __future__ import annotations

import ast
import contextlib
import datetime
import decimal
import enum
import fractions
import functools
import logging
import math
import pathlib
import re
import uuid
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH = 100
TEXT_MAX = 1000
LINES_MAX = 30
PROMPT_MAX = 4000
_LEVELS_MAX = 12
_CLOCK = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone)
_SAID_BY_REPR = (*_CLOCK, decimal.Decimal, fractions.Fraction, uuid.UUID)
_PATHS = (pathlib.Path, pathlib.PurePath, pathlib.PosixPath, pathlib.PurePosixPath)


class Namer(Protocol):
    """Says how func.py can name a class, function or module member; None if it cannot."""

    def __call__(self, value: object, /) -> str | None: ...


class NotLiteral(Exception):
    """The value has no readable text; the caller stores it as data."""


def literal(value: object, namer: Namer, indent: int = 0) -> str | None:
    """An expression that gives ``value`` back, wrapped to lines; None if it is too long or not plain.

    Classes, functions and the like are spelled by ``namer``.
    """
    try:
        if type(value) is str and "\n" in value and len(value) <= PROMPT_MAX:
            return _block(value)
        text = _expression(value, namer, indent, WIDTH - 30, ())
    except (NotLiteral, ValueError):  # an int of more than 4300 digits is a ValueError
        return None
    if len(text) > TEXT_MAX or text.count("\n") >= LINES_MAX:
        return None
    return text


def is_fixed(value: object) -> bool:
    """True if copies of ``value`` cannot be told apart from it: text, numbers, dates, enum members."""
    fixed = (bool, int, float, complex, str, bytes, tuple, frozenset, range, enum.Enum, re.Pattern)
    return value is None or isinstance(value, (*fixed, *_SAID_BY_REPR, pathlib.PurePath))


def _expression(value: object, namer: Namer, indent: int, room: int, above: tuple[int, ...]) -> str:
    kind = type(value)
    if value is None or kind in (bool, int, bytes, str):
        return _double_quoted(repr(value))
    if isinstance(value, float) and kind is float:
        return _float(value)
    if isinstance(value, complex) and kind is complex:
        return _complex(value)
    if id(value) in above or len(above) > _LEVELS_MAX:
        raise NotLiteral
    above = (*above, id(value))

    def spell(item: object) -> str:
        return _expression(item, namer, indent + 4, WIDTH, above)

    if isinstance(value, (list, tuple, set, frozenset, dict)):
        if kind not in (list, tuple, set, frozenset, dict) or len(value) > TEXT_MAX:
            raise NotLiteral
        return _container(value, spell, indent, room)
    made = _made_by_call(value, spell)
    if made is not None:
        return made
    named = namer(value)
    if named is None:
        raise NotLiteral
    return named


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else f'float("{value}")'


def _complex(value: complex) -> str:
    """Its repr, unless that is no expression for it: an infinite part, or a zero below zero."""
    text = repr(value)
    with contextlib.suppress(ValueError):
        if repr(ast.literal_eval(text)) == text:
            return text
    return f"complex({_float(value.real)}, {_float(value.imag)})"


def _double_quoted(text: str) -> str:
    """A repr in the quotes that formatters prefer, where that takes no escapes."""
    head, quote, rest = text.partition("'")
    return f'{head}"{rest[:-1]}"' if quote and head in ("", "b") and '"' not in text else text


def _container(value: object, spell: Callable[[object], str], indent: int, room: int) -> str:
    if isinstance(value, dict):
        items = [f"{spell(key)}: {spell(item)}" for key, item in value.items()]
        return _wrapped("{", items, "}", indent, room)
    if isinstance(value, list):
        return _wrapped("[", [spell(item) for item in value], "]", indent, room)
    if isinstance(value, tuple):
        items = [spell(item) for item in value]
        return f"({items[0]},)" if len(items) == 1 else _wrapped("(", items, ")", indent, room)
    assert isinstance(value, (set, frozenset))
    items = sorted(spell(item) for item in value)  # sets have another order in every process
    if isinstance(value, frozenset):
        return "frozenset(" + (_wrapped("{", items, "}", indent, room) if items else "") + ")"
    return _wrapped("{", items, "}", indent, room) if items else "set()"


def _wrapped(opening: str, items: list[str], closing: str, indent: int, room: int) -> str:
    line = opening + ", ".join(items) + closing
    if len(line) + indent <= room and "\n" not in line:
        return line
    inner = " " * (indent + 4)
    return "\n".join([opening, *(f"{inner}{item}," for item in items), " " * indent + closing])


def _block(text: str) -> str:
    """A text of several lines in triple quotes."""
    body = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    if body.endswith('"'):
        body = body[:-1] + '\\"'
    block = f'"""{body}"""'
    fits = all(char == "\n" or char.isprintable() for char in text)
    if fits and not re.search(r"[ ]$", text, re.MULTILINE) and ast.literal_eval(block) == text:
        return block
    return _double_quoted(repr(text))


def _made_by_call(value: object, spell: Callable[[object], str]) -> str | None:
    """``re.compile(…)``, ``Path(…)`` and other values that are best said by the call that makes them."""
    kind = type(value)
    if isinstance(value, re.Pattern) and kind is re.Pattern:
        flags = value.flags & ~re.UNICODE if isinstance(value.pattern, str) else value.flags
        maker = spell(re.compile)
        prefix = maker[: -len("compile")] if maker.endswith(".compile") else f"{spell(re.RegexFlag)}."
        names = sorted(f"{prefix}{flag.name}" for flag in re.RegexFlag(flags)) if flags else []
        return f"{maker}({_double_quoted(repr(value.pattern))}{', ' if names else ''}{' | '.join(names)})"
    if kind in _PATHS:
        path = pathlib.Path if isinstance(value, pathlib.Path) else pathlib.PurePath
        return f"{spell(path)}({_double_quoted(repr(str(value)))})"
    if kind in _SAID_BY_REPR:
        return _by_repr(value, spell)
    if kind is range:
        return repr(value)
    if isinstance(value, enum.Enum):
        return f"{spell(kind)}.{value.name}" if value.name in type(value).__members__ else None
    if kind.__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "dtype"):
        return _numpy_scalar(value, spell)
    if isinstance(value, logging.Logger):
        return f"{spell(logging.getLogger)}({_double_quoted(repr(value.name))})"
    if kind.__name__ == "_lru_cache_wrapper" and hasattr(value, "cache_parameters"):
        options = ", ".join(f"{key}={option!r}" for key, option in value.cache_parameters().items())
        return f"{spell(functools.lru_cache)}({options})({spell(getattr(value, '__wrapped__', None))})"
    if isinstance(value, functools.partial) and kind is functools.partial and not vars(value):
        parts = [value.func, *value.args]
        words = [spell(part) for part in parts] + [f"{k}={spell(v)}" for k, v in value.keywords.items()]
        return f"{spell(functools.partial)}({', '.join(words)})"
    return None


def _numpy_scalar(value: object, spell: Callable[[object], str]) -> str | None:
    """``np.float64(0.5)``, where that gives the same number back."""
    plain = value.item()  # type: ignore[attr-defined]
    if type(plain) not in (bool, int, float) or type(value)(plain) != value:  # type: ignore[call-arg]
        return None
    return f"{spell(type(value))}({plain!r})"


def _by_repr(value: object, spell: Callable[[object], str]) -> str:
    """``datetime.date(2026, 11, 24)`` as repr says it, with the class spelled as func.py names it."""
    kind = type(value)
    if isinstance(value, (datetime.datetime, datetime.time)) and value.tzinfo is not None:
        if type(value.tzinfo) is not datetime.timezone:
            raise NotLiteral
        bare = _by_repr(value.replace(tzinfo=None), spell)
        zone = spell(value.tzinfo)
        return f"{bare[:-1]}, tzinfo={zone})"
    if isinstance(value, datetime.timezone):
        if value == datetime.UTC:
            return f"{spell(datetime.timezone)}.utc"
        return f"{spell(datetime.timezone)}({spell(value.utcoffset(None))})"
    arguments = repr(value).partition("(")[2]
    return f"{spell(kind)}({arguments}"
