"""As much of HTTP/1.1 as an Fn server speaks to a function, on a blocking socket.

Request line, headers, bodies of a known length or in chunks, ``Expect: 100-continue``, kept-alive
connections. Whatever is not that is refused with a status and the connection is closed.
"""

from __future__ import annotations

import sys
from _socket import CMSG_SPACE, MSG_CMSG_CLOEXEC, SCM_RIGHTS, SHUT_WR, SOL_SOCKET
from os import close
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Sequence

HEAD_MAX_BYTES = 128 * 1024
_CHUNK_LINE_MAX_BYTES = 4096
_RECEIVE_BYTES = 64 * 1024
_LINGER_S = 2.0
_JOIN_BYTES = 64 * 1024
_INT_BYTES = 4
_BESIDE_BYTES = CMSG_SPACE(2 * _INT_BYTES)

_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    502: "Bad Gateway",
    505: "HTTP Version Not Supported",
}


class BadRequest(Exception):
    """A request that is answered with ``status`` and after which the connection is closed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Disconnected(Exception):
    """The peer has gone, in the middle of something or between two requests."""


class Request:
    """One request, its body read. Names of headers are in lower case, repeated ones joined by a comma."""

    __slots__ = ("body", "descriptors", "headers", "keep_alive", "method", "path")

    def __init__(self, method: str, path: str, headers: dict[str, str], keep_alive: bool) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.keep_alive = keep_alive
        self.body = bytearray()
        self.descriptors: list[int] = []
        """File descriptors that came with it, to be closed."""

    def close(self) -> None:
        """Close what came with it."""
        while self.descriptors:
            close(self.descriptors.pop())


class Connection:
    """One accepted connection."""

    __slots__ = ("_descriptors", "_pending", "_sock")

    def __init__(self, sock: socket) -> None:
        self._sock = sock
        self._descriptors: list[int] = []
        self._pending = b""  # received, not yet read

    @property
    def has_more(self) -> bool:
        """True if the peer has already sent part of a next request."""
        return bool(self._pending)

    def close(self) -> None:
        self._sock.close()
        while self._descriptors:
            close(self._descriptors.pop())

    def read(self) -> Request:
        """The next request.

        Raises:
            BadRequest: it cannot be read.
            Disconnected: the peer has gone.
        """
        request = _parse_head(self._read_head())
        request.descriptors, self._descriptors = self._descriptors, []
        length = _body_length(request.headers)
        if length == 0:
            return request
        if request.headers.get("expect", "").lower() == "100-continue" and not self._pending:
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            request.body = self._read_chunks() if length is None else self._read_exactly(length)
        except (MemoryError, OverflowError):
            raise BadRequest(413, "the body does not fit into memory") from None
        return request

    def write(
        self, status: int, headers: str, body: list[bytes | memoryview], *, close: bool = False
    ) -> None:
        """Answer; ``headers`` are whole lines.

        Raises:
            Disconnected: the peer has gone.
        """
        length = 0
        for part in body:
            length += len(part)
        ending = "Connection: close\r\n\r\n" if close else "\r\n"
        head = (
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\n"
            f"{headers}Content-Length: {length}\r\n{ending}"
        ).encode("latin-1", "replace")
        if length <= _JOIN_BYTES:
            self._send(b"".join((head, *body)))
        else:
            self._send(head)
            for part in body:
                self._send(part)

    def begin_chunks(self, status: int, headers: str, *, close: bool = False) -> None:
        """Answer with a body that comes in pieces, by :meth:`write_chunk`.

        Raises:
            Disconnected: the peer has gone.
        """
        ending = "Connection: close\r\n\r\n" if close else "\r\n"
        head = (
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\n{headers}Transfer-Encoding: chunked\r\n"
        )
        self._send((head + ending).encode("latin-1", "replace"))

    def write_chunk(self, parts: Sequence[bytes | memoryview]) -> None:
        """Send one piece of the body, now. Raises Disconnected, as the others."""
        length = sum(map(len, parts))
        if not length:  # a chunk without bytes would be the end
            return
        begin = b"%x\r\n" % length
        if length <= _JOIN_BYTES:
            self._send(b"".join((begin, *parts, b"\r\n")))
        else:
            for part in (begin, *parts, b"\r\n"):
                self._send(part)

    def end_chunks(self, trailers: str) -> None:
        """The body is whole; ``trailers`` are header lines that could not be known before."""
        self._send(f"0\r\n{trailers}\r\n".encode("latin-1", "replace"))

    def linger(self) -> None:
        """Send no more, and read on for a moment: a peer that still sends when this end is closed may
        never see the answer that it got."""
        until = monotonic() + _LINGER_S
        try:
            self._sock.shutdown(SHUT_WR)
            while (left := until - monotonic()) > 0:
                self._sock.settimeout(left)
                if not self._sock.recv(_RECEIVE_BYTES):
                    return
        except (OSError, MemoryError):
            return

    def _send(self, data: bytes | memoryview) -> None:
        try:
            self._sock.sendall(data)
        except OSError:
            raise Disconnected from None

    def _receive(self) -> bytes:
        try:
            data, beside, _, _ = self._sock.recvmsg(_RECEIVE_BYTES, _BESIDE_BYTES, MSG_CMSG_CLOEXEC)
        except OSError:
            raise Disconnected from None
        for level, kind, rights in beside:
            if level == SOL_SOCKET and kind == SCM_RIGHTS:
                self._descriptors += _integers(rights)
        if not data:
            raise Disconnected
        return data

    def _read_head(self) -> str:
        pending = self._pending or self._receive()
        while True:
            pending = pending.lstrip(b"\r\n")  # RFC 9112 §2.2: empty lines before a request are skipped
            head, end, rest = pending.partition(b"\r\n\r\n")
            if len(head) > HEAD_MAX_BYTES:
                raise BadRequest(431, f"the headers are longer than {HEAD_MAX_BYTES} bytes")
            if end:
                self._pending = rest
                return head.decode("latin-1")
            pending += self._receive()

    def _read_exactly(self, length: int) -> bytearray:
        pending = self._pending
        if len(pending) >= length:
            self._pending = pending[length:]
            return bytearray(pending[:length])
        body = bytearray(length)
        have = len(pending)
        body[:have] = pending
        self._pending = b""
        view = memoryview(body)
        while have < length:
            try:
                count = self._sock.recv_into(view[have:])
            except OSError:
                raise Disconnected from None
            if not count:
                raise Disconnected
            have += count
        return body

    def _read_chunks(self) -> bytearray:
        body = bytearray()
        while size := _chunk_size(self._read_line()):
            while size:
                piece = self._pending or self._receive()
                self._pending = piece[size:]
                piece = piece[:size]
                body += piece
                size -= len(piece)
            if self._read_line():
                raise BadRequest(400, "a chunk is longer than it says")
        trailers = 0
        while line := self._read_line():
            trailers += len(line)
            if trailers > HEAD_MAX_BYTES:
                raise BadRequest(431, f"the trailers are longer than {HEAD_MAX_BYTES} bytes")
        return body

    def _read_line(self) -> bytes:
        while True:
            line, end, rest = self._pending.partition(b"\r\n")
            if len(line) > _CHUNK_LINE_MAX_BYTES:
                raise BadRequest(400, "a line between chunks is too long")
            if end:
                self._pending = rest
                return line
            self._pending += self._receive()


def _parse_head(head: str) -> Request:
    lines = head.split("\r\n")
    start = lines[0].split(" ")
    if len(start) != 3 or not start[0].isalpha() or not start[2].startswith("HTTP/"):
        raise BadRequest(400, "the first line is not that of an HTTP request")
    if start[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest(505, f"{start[2]} is not spoken here, HTTP/1.1 is")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name or " " in name or "\t" in name:
            raise BadRequest(400, "a header line is not NAME: VALUE")
        value = value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    connection = headers.get("connection", "").lower()
    keep_alive = connection != "close" if start[2] == "HTTP/1.1" else connection == "keep-alive"
    return Request(start[0], start[1], headers, keep_alive)


def _body_length(headers: dict[str, str]) -> int | None:
    """Bytes of the body; None if it comes in chunks."""
    coding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if coding is not None:
        if length is not None:
            raise BadRequest(400, "a body has either a length or chunks")
        if coding.lower() != "chunked":
            raise BadRequest(501, "chunked is the only transfer coding known here")
        return None
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit() and len(length) < 19):
        raise BadRequest(400, "Content-Length is not a number of bytes")
    return int(length)


def _integers(packed: bytes) -> list[int]:
    return [
        int.from_bytes(packed[at : at + _INT_BYTES], sys.byteorder)
        for at in range(0, len(packed) - len(packed) % _INT_BYTES, _INT_BYTES)
    ]


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip(b" \t")
    # int() alone would also take signs, underscores and "0x".
    if not digits or len(digits) > 15 or digits.strip(b"0123456789abcdefABCDEF"):
        raise BadRequest(400, "a chunk does not begin with its size")
    return int(digits, 16)
