"""Spans of time as the Fn CLI writes them: ``500ms``, ``20m``, ``1h30m``. Pure."""

from __future__ import annotations

import re
from fractions import Fraction

from nbfn.errors import BadInput

_UNITS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}
_PART = r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)"
_WHOLE = re.compile(f"(?:{_PART})+", re.ASCII)


def seconds(text: str, where: str = "duration") -> Fraction:
    """How many seconds ``text`` is; a bare number is seconds. Raises BadInput, beginning with ``where``."""
    plain = text.strip()
    if plain.isascii() and plain.isdecimal():
        return Fraction(plain)
    if not _WHOLE.fullmatch(plain):
        raise BadInput(f"{where}: {text!r} is not a span of time", hint="write it like 500ms, 20m or 1h30m")
    return sum((Fraction(number) * _UNITS[unit] for number, unit in re.findall(_PART, plain)), Fraction())


def whole_seconds(text: str, where: str = "duration") -> int:
    """:func:`seconds`, of which there is at least one, and no part of one."""
    found = seconds(text, where)
    if found < 1 or found.denominator != 1:
        raise BadInput(f"{where}: {text!r} is not whole seconds", hint="write it like 90s, 20m or 1h")
    return int(found)
