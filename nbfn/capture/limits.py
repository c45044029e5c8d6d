"""What is refused before anything is pickled: values that are too large, and secrets."""

from __future__ import annotations

import re
import sys
import types
from typing import TYPE_CHECKING

from nbfn.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LARGE_BYTES = 10 * 1000 * 1000
VALUE_MAX_BYTES = 64 * 1000 * 1000
TOTAL_MAX_BYTES = 128 * 1000 * 1000

_SECRET = re.compile(
    r"(^|_)(secrets?|passwords?|passwd|passphrase|token|credentials?|(api|access|secret|private)_?keys?)$"
    r"|^secret_",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LEVELS_MAX, _PARTS_MAX = 4, 1000
_HOLDS_DATA_BYTES = 10_000
_FINDABLE = 6
_PLAIN_BYTES = 9  # a float in a pickle; ints and references take about as much or less


def readable_size(size: int) -> str:
    """``200 MB``, in powers of 1000."""
    if size < 1000:
        return f"{size} bytes"
    unit, number = ("kB", size / 1000) if size < 1_000_000 else ("MB", size / 1_000_000)
    return f"{number:.1f}".removesuffix(".0") + f" {unit}"


def estimated_size(value: object, limit: int = VALUE_MAX_BYTES) -> int:
    """About how many bytes ``value`` pickles to. Stops counting soon after ``limit`` is passed."""
    total = 0
    seen: set[int] = set()
    todo: list[object] = [value]
    while todo and total <= limit:
        item = todo.pop()
        if item is None or isinstance(item, (bool, int, float, complex)):
            total += _PLAIN_BYTES
            continue
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, (str, bytes, bytearray, memoryview)):
            total += len(item)
        elif isinstance(item, (list, tuple, set, frozenset, dict)):
            total += 2 * len(item)
            if total <= limit:
                todo += item
                todo += item.values() if isinstance(item, dict) else ()
        else:
            own = _opaque_size(item)
            total += own
            if own < _HOLDS_DATA_BYTES:  # else the attributes are in that number already
                todo += _attributes(item).values()
    return total


def _opaque_size(item: object) -> int:
    """Bytes of an object that holds its data itself: arrays, frames, tensors."""
    held = getattr(item, "nbytes", None)
    if isinstance(held, int) and not isinstance(held, bool):
        return held
    if isinstance(item, (type, types.ModuleType)) or callable(item):
        return _PLAIN_BYTES
    try:
        return sys.getsizeof(item)
    except Exception:
        return _PLAIN_BYTES


def _attributes(item: object) -> dict[str, object]:
    """What an object holds by name; for a function what it closes over."""
    if isinstance(item, types.FunctionType):
        cells = zip(item.__code__.co_freevars, item.__closure__ or (), strict=True)
        return {name: cell.cell_contents for name, cell in cells if cell != types.CellType()}
    if isinstance(item, (type, types.ModuleType)) or callable(item):
        return {}
    found = getattr(item, "__dict__", None)
    return dict(found) if isinstance(found, dict) else {}


def secret_in(name: str, value: object) -> str | None:
    """The path of a text in ``value`` whose name says that it is a secret: ``conf['password']``.

    Looks at the value itself, the keys of dictionaries and the attributes of objects, some levels deep.
    """
    for path, key, text in _texts(name, name, value, depth=0):
        if text and not isinstance(text, Secret) and _SECRET.search(_CAMEL.sub("_", key).replace("-", "_")):
            return path
    return None


def marked_in(name: str, value: object) -> Iterator[tuple[str, Secret]]:
    """The secrets in ``value`` that are marked as such, with their paths."""
    for path, _, text in _texts(name, name, value, depth=0):
        if isinstance(text, Secret):
            yield path, text


def variable_of(path: str) -> str:
    """The environment variable for a secret at ``path``: ``CONF_PASSWORD`` for ``conf['password']``."""
    return re.sub(r"\W+|_+", "_", path.replace("__closure__", "")).strip("_").upper()


def written_in(secret: str, source: str, files: Mapping[str, bytes]) -> str | None:
    """The file that holds the text of a secret, if one does. Very short texts would be found anywhere."""
    if len(secret) < _FINDABLE:
        return None
    if secret in source:
        return "func.py"
    return next((path for path, data in files.items() if secret.encode() in data), None)


def _texts(path: str, name: str, value: object, depth: int) -> Iterator[tuple[str, str, str | bytes]]:
    """Every text in ``value``: its path, the name it is held by, and the text."""
    if isinstance(value, (str, bytes)):
        yield path, name, value
    elif depth < _LEVELS_MAX:
        for step, key, item in _named_parts(value):
            yield from _texts(path + step, key, item, depth + 1)


def _named_parts(value: object) -> Iterator[tuple[str, str, object]]:
    """``(step, name, part)`` of dictionaries, sequences and objects, unless they are long."""
    if isinstance(value, dict):
        if len(value) <= _PARTS_MAX:
            yield from ((f"[{key!r}]", key, item) for key, item in value.items() if isinstance(key, str))
    elif isinstance(value, (list, tuple)):
        if len(value) <= _PARTS_MAX:
            yield from ((f"[{at}]", "", item) for at, item in enumerate(value))
    else:
        step = ".__closure__[{!r}]" if isinstance(value, types.FunctionType) else ".{}"
        yield from ((step.format(key), key, item) for key, item in _attributes(value).items())
