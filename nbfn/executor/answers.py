"""From what an instance answered, or how it failed, to what the caller gets.

Statuses and texts are Fn's; the cause comes after them where it is known.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbfn.drivers import exits
from nbfn.drivers.base import StartFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.drivers.base import Exit
    from nbfn.executor.hop import Head, Headers
    from nbfn.schedule.orders import StopWhy

JSON = (b"content-type", b"application/json; charset=utf-8")

EXECUTORS = frozenset(
    (b"fn-call-id", b"nbfn-start", b"nbfn-cold-reason", b"nbfn-queue-ms", b"nbfn-start-ms", b"nbfn-total-ms")
)
"""What only the executor may say of a call."""
# Of the connection, not of the answer.
_NOT_PASSED_ON = EXECUTORS | frozenset(
    (
        b"connection",
        b"proxy-connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"content-length",
    )
)


# What is done with a header, by its name as it is written: an instance writes the same ones each time.
_DROPPED = b"-"
_kinds: dict[bytes, bytes] = {}
_KINDS, _KIND_BYTES = 500, 64

CAUSE_BYTES = 4096
"""As much as is kept of what an instance says of its failure: records and events have it."""


def _kind(name: bytes) -> bytes:
    """``_DROPPED``; or the lower-case name of a header of the runtime; or nothing: it is passed on."""
    lower = name.lower()
    kind = _DROPPED if lower in _NOT_PASSED_ON else lower if lower.startswith(b"nbfn-") else b""
    if len(_kinds) < _KINDS and len(name) <= _KIND_BYTES:
        _kinds[name] = kind
    return kind


@dataclass(slots=True)
class Response:
    """What the caller gets. ``message`` is empty unless the call or the function failed.

    ``body`` is what there is of it; ``length`` is how much it will be, if more is to come and that is known.
    """

    status: int
    headers: Headers
    body: list[bytes]
    message: str = ""
    told: Mapping[bytes, bytes] = field(default_factory=dict)
    """The runtime's own headers, by lower-case name."""
    length: int | None = None
    passed_on: bool = False
    """True if the body is the instance's, False if the executor says it."""


def failure(status: int, message: str, *, retry_after_s: int = 0, hint: str = "") -> Response:
    """An answer that the executor gives itself. ``hint`` says what to do about it."""
    headers = [JSON, (b"nbfn-error", header_text(message))]
    if retry_after_s:
        headers.append((b"retry-after", str(retry_after_s).encode()))
    document = {"message": message, "hint": hint} if hint else {"message": message}
    return Response(status, headers, [json.dumps(document).encode() + b"\n"], message)


def header_text(text: str) -> bytes:
    """``text`` on one line, fit for a header."""
    return " ".join(text.split()).encode("latin-1", "replace")[:512]


def response_to(answer: Head) -> tuple[Response, StopWhy | None]:
    """The caller's response, and why the instance must not be used again (if so)."""
    kept: Headers = []
    told: dict[bytes, bytes] = {}
    for header in answer.headers:
        kind = _kinds.get(header[0])
        if kind is None:
            kind = _kind(header[0])
        if kind is not _DROPPED:
            kept.append(header)
            if kind:
                told[kind] = header[1]
    status = answer.status
    cause = told.get(b"nbfn-error", b"")[:CAUSE_BYTES].decode("latin-1")
    if status == 200:  # also of an nbfn call that raised: it tells the cause, for the record of the call
        return Response(200, kept, [], cause, told, answer.length, passed_on=True), None
    if status == 502:
        response = failure(502, _because("function failed", cause), hint=exits.hint_of(cause))
    elif status == 504:
        response = failure(504, _because("Timed out", cause))
    else:
        message = _because(f"invalid function response: status {status}", cause)
        return failure(502, message), "invalid-response"
    # The runtime's headers stay: they tell where the call ran, and hold the end of its output.
    response.headers += [
        (name, value)
        for name, value in kept
        if name[:5].lower() in (b"nbfn-", b"fn-fd") and name.lower() != b"nbfn-error"
    ]
    response.told = told
    return response, None


def lost(cause: str, end: Exit | None) -> Response:
    """The instance gave no usable answer; ``end`` says how it ended, if it did."""
    told = _because("error receiving function response", describe(end) if end else cause)
    return failure(502, told, hint=end.hint if end else "")


def broken_off(response: Response) -> Response:
    """For the record of an answer that ended in the middle, which ``response`` would have explained."""
    message = f"{response.message} (after a part of the answer was passed on)"
    return Response(response.status, [], [], message, response.told)


def timed_out(timeout_s: int) -> Response:
    """The call ran over its function's timeout."""
    message = f"Timed out: it ran longer than its timeout of {timeout_s} s"
    return failure(504, message, hint="give it a larger timeout, or less to do; its instance was stopped")


def start_failed(error: Exception, image: str) -> tuple[int, str, str]:
    """Status, message and hint for the call that waited for an instance which did not start."""
    if not isinstance(error, StartFailed):
        return 500, _because("internal server error", str(error)), ""
    cause, hint = error.message, error.hint
    if error.exit is not None and error.exit.cause not in cause:
        cause = f"{cause} ({describe(error.exit)})"
    if error.stage == "refused":
        return 400, cause, hint
    if error.stage == "image":
        return 502, f"Failed to pull image '{image}': {cause}", hint
    if error.stage == "late":
        return 504, _because("Image pull timed out", cause), hint
    advice = "please ensure you are using the latest fdk and check the logs"
    if error.stage == "timeout":
        return 504, _because(f"Container initialization timed out, {advice}", cause), hint
    return 502, _because(f"Container failed to initialize, {advice}", cause), hint


def describe(end: Exit) -> str:
    """How an instance ended, with the word that matters first."""
    if end.out_of_memory and "memory" not in end.cause:
        return f"out of memory, {end.cause}"
    return end.cause


def _because(text: str, cause: str) -> str:
    return f"{text}: {cause}" if cause else text
