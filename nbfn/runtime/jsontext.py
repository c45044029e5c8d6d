"""JSON without importing :mod:`json`, whose regular expressions cost more than the rest of a cold start.

The C halves of the standard codec do the work. Whenever they meet anything out of the ordinary, the real
:mod:`json` is imported and asked again: it decides, and it words the error.
"""

from __future__ import annotations

from _json import encode_basestring, make_encoder, make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SPACE = " \t\n\r"


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


class _ScannerOptions:
    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_refuse_constant)


_scan = make_scanner(_ScannerOptions)  # type: ignore[arg-type]  # it takes whatever has these names


def loads(text: str) -> object:
    """The value of a JSON text (without ``NaN`` and infinities).

    Raises:
        ValueError: it is not JSON; the message says where.
    """
    text = text.strip(_SPACE)
    try:
        value, end = _scan(text, 0)
        if end == len(text):
            return value
    except (StopIteration, ValueError, SystemError):
        pass  # SystemError: it wants to raise an error of json.decoder, and nobody has imported that
    import json

    loaded: object = json.loads(text, parse_constant=_refuse_constant)
    return loaded


def dumps(value: object, default: Callable[[object], object] | None = None) -> bytes:
    """``value`` as compact UTF-8 JSON; ``default`` turns what JSON does not know into what it does.

    Raises:
        TypeError: a type that JSON does not know.
        ValueError: a number that is not finite.
        RecursionError: nested too deeply, or holding itself.
    """
    encode = _encode if default is None else _encoder(default)
    # A lone surrogate becomes the escape \udXXX, which is how JSON writes it.
    return "".join(encode(value, 0)).encode("utf-8", "backslashreplace")


def _refuse(value: object) -> object:
    raise TypeError(f"a {type(value).__name__} is not JSON")


def _encoder(default: Callable[[object], object]) -> make_encoder:
    # markers, default, encoder, indent, separators, sort_keys, skipkeys, allow_nan
    return make_encoder(None, default, encode_basestring, None, ":", ",", False, False, False)


_encode = _encoder(_refuse)
