"""HTTP/1.1 on the callers' side: what a request asks, and how an answer begins. No I/O."""

from __future__ import annotations

import http
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httptools

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbfn.executor.hop import Headers

HEADER_BYTES = 65536
_LINES = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in http.HTTPStatus}
_BODILESS = frozenset((204, 304))


class BadRequest(Exception):
    """A request that cannot be served; the connection is closed after the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(slots=True)
class Request:
    """The head of one request. Names of headers are in lower case."""

    method: bytes
    target: bytes
    headers: Headers
    http_11: bool = True
    keep_alive: bool = True
    host: bytes = b""
    authorization: bytes = b""
    length: int | None = 0
    """Bytes of the body; None if it comes in chunks."""
    expects_continue: bool = False
    path: bytes = field(init=False)
    query: bytes = field(init=False)

    def __post_init__(self) -> None:
        target, authority = self.target, b""
        if target[:1] == b"/":
            self.path, _, self.query = target.partition(b"?")
        else:  # the absolute form, as a proxy is asked; or * of OPTIONS
            try:
                url = httptools.parse_url(target)
            except httptools.HttpParserInvalidURLError:
                raise BadRequest(400, "the request's target is no path") from None
            self.path, self.query = url.path or b"/", url.query or b""
            authority = _authority(url.host, url.port)
        hosts = 0
        for name, value in self.headers:
            if name == b"host":
                self.host = value
                hosts += 1
            elif name == b"authorization":
                self.authorization = value
            elif name == b"content-length":
                self.length = _length(value)
            elif name == b"transfer-encoding":
                if value.lower() != b"chunked":
                    raise BadRequest(501, "chunked is the only transfer coding known here")
                self.length = None
            elif name == b"expect":
                self.expects_continue = value.lower() == b"100-continue"
        if hosts > 1:
            raise BadRequest(400, "the request has more than one Host")
        if authority:  # by HTTP it outweighs the header
            self.host = authority
            self.headers = [*(pair for pair in self.headers if pair[0] != b"host"), (b"host", authority)]


def _authority(host: bytes | None, port: int | None) -> bytes:
    """Whom an absolute target is for, as a Host says it; empty if that is not said."""
    if host is None:
        return b""
    host = b"[%b]" % host if b":" in host else host
    return host if port is None else b"%b:%d" % (host, port)


def _length(value: bytes) -> int:
    if not value.isdigit() or len(value) > 18:
        raise BadRequest(400, "Content-Length is not a number of bytes")
    return int(value)


def head_again(length: int | None) -> bytes:
    """A head that says of its body what another one said, and nothing else."""
    told = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    return b"POST / HTTP/1.1\r\n%b\r\n\r\n" % told


def lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as they are sent."""
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])


def answer_head(request: Request, status: int, header_lines: bytes, length: int | None) -> bytes:
    """The beginning of an answer. ``length`` None: a body of unknown length follows (:func:`framed`)."""
    first = _LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    close = b"" if request.keep_alive else b"Connection: close\r\n"
    if status in _BODILESS:
        size = b""
    elif length is not None:
        size = b"Content-Length: %d\r\n" % length
    else:
        size = b"Transfer-Encoding: chunked\r\n" if request.http_11 else b""
    if close == b"" and not request.http_11:
        close = b"Connection: keep-alive\r\n"
    return b"".join((first, header_lines, size, close, b"\r\n"))


def has_body(request: Request, status: int) -> bool:
    """False where HTTP allows no body in the answer."""
    return request.method != b"HEAD" and status not in _BODILESS


def framed(pieces: list[bytes], *, last: bool) -> bytes:
    """As chunks."""
    found: list[bytes] = []
    for piece in pieces:
        if piece:
            found += (b"%x\r\n" % len(piece), piece, b"\r\n")
    if last:
        found.append(b"0\r\n\r\n")
    return b"".join(found)
