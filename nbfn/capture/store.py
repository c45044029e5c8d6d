"""How a value gets into func.py: as a literal, as ``data/NAME.json`` or as ``data/NAME.pickle``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nbfn.capture import fallback, pickles
from nbfn.capture.literals import Namer, literal
from nbfn.runtime.wire import is_plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType

    from nbfn.capture.loaders import Loaders
    from nbfn.capture.pickles import Referrer


@dataclass(frozen=True, slots=True)
class Stored:
    """A value's line in func.py and the file it loads, if any."""

    kind: Literal["constant", "data", "pickle"]
    text: str
    path: str = ""
    data: bytes = b""
    modules: frozenset[str] = frozenset()
    """What unpickling imports."""


def as_text(name: str, value: object, loaders: Loaders, namer: Namer) -> Stored | None:
    """A literal, or JSON if that gives ``value`` back; None if neither does."""
    text = literal(value, namer)
    if text is not None:
        return Stored("constant", f"{name} = {text}")
    if not is_plain(value):
        return None
    path = f"data/{name}.json"
    try:
        try:
            data = json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:  # lone surrogates
            data = json.dumps(value).encode()
    except ValueError:  # an int of more than 4300 digits
        return None
    return Stored("data", loaders.load_text(name), path, data)


def as_pickle(name: str, value: object, loaders: Loaders, refer: Referrer) -> Stored:
    """A pickle that names the notebook's classes and functions in func.py.

    Raises:
        TooLarge: over the limit.
        Exception: what pickling raises.
    """
    data, modules = pickles.dumps(value, refer)
    return Stored("pickle", loaders.load_pickle(name), f"data/{name}.pickle", data, frozenset(modules))


def by_value(
    name: str,
    value: object,
    loaders: Loaders,
    refer: Referrer,
    main: str,
    code_met: Callable[[FunctionType], None],
    why: str,
) -> Stored:
    """A cloudpickle of something that has no source; ``why`` becomes a comment above its line.

    Raises:
        TooLarge: over the limit.
        Exception: what pickling raises.
    """
    data, modules = fallback.dumps(value, refer, main, code_met)
    text = f"# {why}\n{loaders.load_pickle(name, 'cloudpickle')}"
    return Stored("pickle", text, f"data/{name}.pickle", data, frozenset(modules))


def in_two_steps(name: str, value: object, text: str) -> tuple[str, tuple[str, ...]]:
    """How to make a dictionary or list empty first and fill it later; see :func:`.source.arrange`."""
    expression = text.removeprefix(f"{name} = ")
    if type(value) is dict:
        return "{}", tuple(f"{name}.update({expression})".split("\n"))
    if type(value) is list:
        return "[]", tuple(f"{name}[:] = {expression}".split("\n"))
    return "", ()
