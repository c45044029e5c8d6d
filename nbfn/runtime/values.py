"""From a function's result to the body of an answer, for callers that are not nbfn."""

from __future__ import annotations

from .errors import BadResult, message_of
from .jsontext import dumps

JSON = "application/json"
BYTES = "application/octet-stream"
TEXT = "text/plain; charset=utf-8"
NDJSON = "application/x-ndjson"


def _generator() -> object:
    yield


async def _async_generator() -> object:
    yield


_GENERATORS = (type(_generator()), type(_async_generator()))


def is_stream(value: object) -> bool:
    """True for what calling a generator function gives, async or not."""
    return type(value) in _GENERATORS


def for_anyone(value: object) -> tuple[str, bytes]:
    """Content type and body: bytes as they are, everything else as JSON.

    Raises:
        BadResult: JSON cannot hold it.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return BYTES, bytes(value)
    try:
        return JSON, dumps(value, _convert)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadResult(
            f"the result, a {type(value).__qualname__}, cannot be answered as JSON: {message_of(error)}"
        ) from error


def as_text(value: object, content_type: str) -> tuple[str, bytes]:
    """Content type and body where a handler speaks HTTP itself: a string is the body as it is."""
    if isinstance(value, str) and not content_type.startswith(JSON):
        return content_type or TEXT, value.encode("utf-8", "backslashreplace")
    if isinstance(value, str):  # said to be JSON: it is, or it becomes a JSON string
        from .jsontext import loads

        try:
            loads(value)
        except (ValueError, RecursionError):
            return content_type, dumps(value)
        return content_type, value.encode("utf-8", "backslashreplace")
    kind, body = for_anyone(value)
    return content_type or kind, body


def _convert(value: object) -> object:
    # numpy's scalars and arrays (and pandas' series) become what Python has for them.
    tolist = getattr(value, "tolist", None)
    if callable(tolist):
        converted: object = tolist()
        return converted
    if isinstance(value, set | frozenset):
        return list(value)
    raise TypeError(f"a {type(value).__qualname__} is not JSON")
