"""HTTP triggers: a function answers like a web server, behind headers that Fn defines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from nbfn.executor.answers import EXECUTORS

if TYPE_CHECKING:
    from nbfn.executor.hop import Headers
    from nbfn.executor.http import Request

PREFIX = b"/t/"
_IN = b"Fn-Http-H-"
_OUT = b"fn-http-h-"
# What is said elsewhere, or (the token) is never a function's business.
_NOT_PASSED_IN = frozenset(
    (b"host", b"authorization", b"proxy-authorization", b"transfer-encoding", b"expect")
)
# Of the connection to the caller, which is not the function's.
_NOT_PASSED_OUT = EXECUTORS | frozenset(
    (
        b"connection",
        b"proxy-connection",
        b"keep-alive",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"content-length",
        b"content-type",
    )
)


def split(path: bytes) -> tuple[str, str]:
    """The application's name and the trigger's source (``/`` + the rest) of a path below ``/t/``."""
    app, _, rest = path[len(PREFIX) :].partition(b"/")
    return _text(app), f"/{_text(rest)}"


def _text(part: bytes) -> str:
    return unquote_to_bytes(part).decode(errors="replace")


def header_lines(request: Request) -> bytes:
    """What the function gets: the request's headers behind a prefix, its method and its URL."""
    found: list[bytes] = []
    for name, value in request.headers:
        if name == b"content-type":
            found.append(b"Content-Type: %b\r\n" % value)
        elif name not in _NOT_PASSED_IN:
            found.append(b"%b%b: %b\r\n" % (_IN, name.title(), value))
    url = b"http://" + request.host + request.target if request.target[:1] == b"/" else request.target
    found.append(
        b"Fn-Http-Method: %b\r\nFn-Http-Request-Url: %b\r\nFn-Intent: httprequest\r\n" % (request.method, url)
    )
    return b"".join(found)


def answer(headers: Headers) -> tuple[int, Headers]:
    """Status and headers for the caller: what is behind the prefix, and the content type.

    A status that is none makes a 502 that says so.
    """
    status = 200
    kept: Headers = []
    for name, value in headers:
        lower = name.lower()
        if lower.startswith(_OUT):
            own = name[len(_OUT) :]
            if own and own.lower() not in _NOT_PASSED_OUT:
                kept.append((own, value))
        elif lower == b"content-type":
            kept.append((name, value))
        elif lower == b"fn-http-status" and value.strip() not in (b"", b"0"):
            if not (value.isdigit() and len(value) == 3 and 200 <= int(value) <= 599):
                kept.append((b"Nbfn-Error", b"invalid function response: Fn-Http-Status is " + value[:20]))
                status = 502
            else:
                status = int(value)
    return status, kept
