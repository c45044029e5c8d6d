"""Calls of functions that are not made of captured Python: JSON in, JSON out, as with any of Fn's FDKs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nbfn.errors import ArgumentsError, PayloadError
from nbfn.invoke.codec import Body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FAILED = "function failed"
"""How Fn's message begins when a function says of itself that it failed."""
JSON, BYTES = "application/json", "application/octet-stream"


def encode(function: str, args: Sequence[object], kwargs: Mapping[str, object]) -> Body:
    """The body of a call: the one argument, or keywords as an object; ``bytes`` as they are; else nothing.

    Raises:
        ArgumentsError: more than one argument, or both kinds.
        PayloadError: it cannot be JSON.
    """
    if len(args) > 1 or (args and kwargs):
        raise ArgumentsError(
            f"{function}() takes one value, or keywords: it is sent them as its body",
            hint=f"{function}({{…}}) or {function}(name=…)",
        )
    if not args and not kwargs:
        return Body(JSON, [b""])
    value = args[0] if args else dict(kwargs)
    if isinstance(value, bytes | bytearray | memoryview):
        return Body(BYTES, [bytes(value)])
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadError(
            f"{function}() is sent JSON, and this cannot be any: {error}",
            hint="give it dicts, lists, text and numbers, or bytes",
        ) from error
    return Body(JSON, [text.encode()])


def decode(content_type: str, body: bytes | bytearray) -> Any:
    """The value in an answer: what JSON holds, text, or bytes; None if there is none.

    An answer of no type that says so, or of text that is one JSON object, list or string, counts as JSON:
    FDKs do not always say what they send (Go's says ``text/plain`` of whatever is encoded).
    """
    if not body:
        return None
    kind = content_type.partition(";")[0].strip().lower()
    is_text = not kind or kind.startswith("text/")
    looks_so = is_text and body.lstrip()[:1] in (b"{", b"[", b'"')
    if kind == JSON or kind.endswith("+json") or looks_so or not kind:
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            pass  # it is not what it said, or looked like
    if is_text or kind == JSON:
        try:
            return body.decode()
        except UnicodeDecodeError:
            pass
    return bytes(body)


def raised(body: bytes | bytearray) -> str:
    """What a 502 says if the function itself failed; empty if it is the instance that did."""
    try:
        message = str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""
    return message if message.startswith(FAILED) else ""
