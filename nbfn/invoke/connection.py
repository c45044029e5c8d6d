"""One HTTP/1.1 connection: a POST out in as few copies as there can be, its answer in as it comes.

A library's client costs a warm call more than the executor and the instance do together, and copies a large
body several times. This one knows what a call needs and nothing more.
"""

from __future__ import annotations

import socket
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_RECEIVE_BYTES = 64 * 1024
_STEP_BYTES = 1 << 20
_JOIN_BYTES = 64 * 1024
_HEAD_MAX_BYTES = 1 << 20
_LINE_MAX_BYTES = 64 * 1024
_PARTS_MAX = 512  # a system call takes no more than IOV_MAX (1,024)


class Broken(Exception):
    """The connection ended, or what came over it is not HTTP."""


class Deadline:
    """How long this side still waits. ``None`` seconds: for ever."""

    __slots__ = ("_at",)

    def __init__(self, seconds: float | None) -> None:
        self._at = None if seconds is None else monotonic() + seconds

    def arm(self, sock: socket.socket) -> None:
        """Let the next operation of ``sock`` take as long as is left. Raises TimeoutError at the end."""
        if self._at is None:
            return
        left = self._at - monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)


class Connection:
    """A connected socket that carries one request at a time. Not for two threads at once."""

    __slots__ = ("_deadline", "_pending", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._pending = b""  # received, not yet read
        self._deadline = Deadline(None)

    @property
    def usable(self) -> bool:
        """False once the other side has closed it, or said something that nobody asked for."""
        if self._pending:
            return False
        try:
            self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except (BlockingIOError, ValueError):  # TLS cannot peek: its first use will tell
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        self.sock.close()

    def send(self, head: bytes, parts: Sequence[bytes | memoryview], size: int, deadline: Deadline) -> None:
        """Send a request; ``size`` is that of all ``parts`` together.

        Raises:
            Broken: the other side closed the connection; it may have answered before.
            TimeoutError: the deadline passed.
        """
        self._deadline = deadline
        try:
            deadline.arm(self.sock)
            if size <= _JOIN_BYTES:
                self.sock.sendall(b"".join((head, *parts)))
            else:
                self._scatter([memoryview(head), *(memoryview(part) for part in parts)])
        except TimeoutError:
            raise
        except OSError as error:
            raise Broken(str(error)) from None

    def _scatter(self, views: list[memoryview]) -> None:
        if not _scatters(self.sock):
            for view in views:
                self._deadline.arm(self.sock)
                self.sock.sendall(view)
            return
        at = 0
        while at < len(views):
            self._deadline.arm(self.sock)
            sent = self.sock.sendmsg(views[at : at + _PARTS_MAX])
            while at < len(views) and sent >= len(views[at]):
                sent -= len(views[at])
                at += 1
            if sent:
                views[at] = views[at][sent:]

    def receive(self) -> Response:
        """The head of the answer; its body is read from what is returned.

        Raises:
            Broken, TimeoutError: as :meth:`send`.
        """
        while True:
            response = Response(self, *_parse_head(self._read_head()))
            if response.status >= 200:  # what comes before is about sending, which is over
                return response

    def read_some(self, limit: int) -> bytes:
        """At least one byte, at most ``limit``."""
        if self._pending:
            piece, self._pending = self._pending[:limit], self._pending[limit:]
            return piece
        return self._receive(min(limit, _RECEIVE_BYTES))

    def read_into(self, view: memoryview) -> None:
        """Fill ``view``."""
        have = min(len(self._pending), len(view))
        view[:have] = self._pending[:have]
        self._pending = self._pending[have:]
        while have < len(view):
            try:
                self._deadline.arm(self.sock)
                count = self.sock.recv_into(view[have : have + _STEP_BYTES])
            except TimeoutError:
                raise
            except OSError as error:
                raise Broken(str(error)) from None
            if not count:
                raise Broken("the connection was closed in the middle of an answer")
            have += count

    def read_line(self) -> bytes:
        """What comes before the next end of a line."""
        while True:
            line, end, rest = self._pending.partition(b"\r\n")
            if end:
                self._pending = rest
                return line
            if len(line) > _LINE_MAX_BYTES:
                raise Broken("a line of the answer is too long")
            self._pending += self._receive(_RECEIVE_BYTES)

    def _read_head(self) -> bytes:
        pending = self._pending or self._receive(_RECEIVE_BYTES)
        while True:
            head, end, rest = pending.partition(b"\r\n\r\n")
            if end:
                self._pending = rest
                return head
            if len(head) > _HEAD_MAX_BYTES:
                raise Broken("the answer's headers are too long")
            pending += self._receive(_RECEIVE_BYTES)

    def _receive(self, limit: int) -> bytes:
        try:
            self._deadline.arm(self.sock)
            data = self.sock.recv(limit)
        except TimeoutError:
            raise
        except OSError as error:
            raise Broken(str(error)) from None
        if not data:
            raise Broken("the connection was closed before the answer was complete")
        return data


class Response:
    """One answer. ``headers`` has lower-case names; :meth:`read` or :meth:`pieces` gives the body once."""

    __slots__ = ("_connection", "_left", "complete", "headers", "status", "trailers")

    def __init__(self, connection: Connection, status: int, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = headers
        self.trailers: dict[str, str] = {}
        """What came after a body in chunks."""
        self.complete = False
        """True once the whole body was read."""
        self._connection = connection
        self._left = _body_length(status, headers)

    @property
    def keeps_alive(self) -> bool:
        """True if the connection can carry another request."""
        return self.complete and self._left is not None and "close" not in self.headers.get("connection", "")

    def read(self) -> bytearray:
        """The whole body, in a buffer that is the caller's own.

        Raises:
            Broken, TimeoutError: it did not come whole.
        """
        if self._left is None or self._left < 0:
            body = bytearray()
            for piece in self.pieces():
                body += piece
            return body
        body = bytearray(self._left)
        self._connection.read_into(memoryview(body))
        self.complete = True
        return body

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes.

        Raises:
            Broken, TimeoutError: it broke off.
        """
        if self._left is None:
            yield from self._until_closed()
        elif self._left < 0:
            yield from self._chunks()
        else:
            left = self._left
            while left:
                piece = self._connection.read_some(left)
                left -= len(piece)
                yield piece
        self.complete = True

    def _until_closed(self) -> Iterator[bytes]:
        while True:
            try:
                yield self._connection.read_some(_STEP_BYTES)
            except Broken:
                return

    def _chunks(self) -> Iterator[bytes]:
        connection = self._connection
        while left := _chunk_size(connection.read_line()):
            while left:
                piece = connection.read_some(left)
                left -= len(piece)
                yield piece
            if connection.read_line():
                raise Broken("a chunk of the answer is longer than it says")
        while line := connection.read_line():
            name, _, value = line.decode("latin-1").partition(":")
            self.trailers[name.lower()] = value.strip()


def _scatters(sock: socket.socket) -> bool:
    return type(sock) is socket.socket  # a TLS socket encrypts part by part


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
        raise Broken("what came is not an HTTP answer")
    headers: dict[str, str] = {} if version != "HTTP/1.0" else {"connection": "close"}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return int(rest[:3]), headers


def _body_length(status: int, headers: dict[str, str]) -> int | None:
    """Bytes; -1 if the body comes in chunks, None if it ends with the connection."""
    if status < 200 or status in (204, 304):
        return 0
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise Broken("the answer's transfer coding is not known here")
        return -1
    text = headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Broken("the answer's length is not a number")
    return int(text)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or len(digits) > 15 or digits.strip(b"0123456789abcdefABCDEF"):
        raise Broken("a chunk of the answer does not begin with its size")
    return int(digits, 16)
