"""Requests to functions over kept-alive connections, which several threads may share and any may cancel."""

from __future__ import annotations

import socket
import ssl
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nbfn import __version__
from nbfn.invoke.connection import Broken, Connection, Deadline, Response

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbfn.transport import Endpoint

_CONNECT_TIMEOUT_S = 5.0
_KEPT_MAX = 32


class NotSent(Exception):
    """There is nobody to connect to: not a byte of the request went out."""


class Cancelled(Exception):
    """:meth:`Cancel.ask` ended it."""


class Cancel:
    """Ends a request from another thread: its connection is dropped, which stops the instance too."""

    __slots__ = ("_lock", "_sock", "asked")

    def __init__(self) -> None:
        self.asked = False
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None

    def ask(self) -> None:
        """End it, or keep it from beginning. More than once changes nothing."""
        with self._lock:
            self.asked = True
            if self._sock is not None:
                _shut(self._sock)

    def watch(self, sock: socket.socket | None) -> None:
        """From here on the request runs on ``sock`` (None: it is over). Raises Cancelled if it was asked."""
        with self._lock:
            self._sock = sock
            if self.asked and sock is not None:
                raise Cancelled


class Exchange:
    """A request that was sent and the answer that comes. Close it, or read it to its end."""

    __slots__ = ("_cancel", "_connection", "_kept", "response")

    def __init__(
        self, response: Response, connection: Connection, kept: deque[Connection], cancel: Cancel | None
    ) -> None:
        self.response = response
        self._connection: Connection | None = connection
        self._kept = kept
        self._cancel = cancel

    def read(self) -> bytearray:
        """The whole body. Raises Broken, Cancelled or TimeoutError: it did not come whole."""
        try:
            return self.response.read()
        except Broken:
            self._raise_if_cancelled()
            raise
        finally:
            self.close()

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes. Raises Broken, Cancelled or TimeoutError: it broke off."""
        try:
            yield from self.response.pieces()
        except Broken:
            self._raise_if_cancelled()
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Keep the connection if the answer was read whole; else drop it, which ends the call."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._cancel is not None:
            self._cancel.watch(None)
        if self.response.keeps_alive and len(self._kept) < _KEPT_MAX:
            connection.sock.settimeout(None)
            self._kept.append(connection)
        else:
            connection.close()

    def _raise_if_cancelled(self) -> None:
        if self._cancel is not None and self._cancel.asked:
            raise Cancelled from None


class Post:
    """Sends requests to an executor's socket, or to whichever host a URL names if it has none.

    Safe to use from several threads. The token goes to the executor alone.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._kept: dict[str, deque[Connection]] = {}
        self._heads: dict[str, tuple[str, bytes]] = {}

    def send(
        self,
        url: str,
        headers: str,
        parts: Sequence[bytes | memoryview],
        *,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> Exchange:
        """Send one request (``headers`` are whole lines) and wait for the head of its answer.

        Raises:
            NotSent: nobody listens there.
            Broken: the connection ended after something was sent.
            Cancelled: as it says.
            TimeoutError: ``timeout_s`` passed; reading the body ends with it too.
        """
        where, begin = self._heads.get(url) or self._prepared(url)
        size = sum(map(len, parts))
        head = begin + f"{headers}Content-Length: {size}\r\n\r\n".encode("latin-1")
        kept = self._kept.setdefault(where, deque())
        connection = self._connection(where, kept)
        try:
            if cancel is not None:
                cancel.watch(connection.sock)
            try:
                connection.send(head, parts, size, Deadline(timeout_s))
            except Broken:  # it may have refused what it had not read to the end
                if cancel is not None and cancel.asked:
                    raise
            return Exchange(connection.receive(), connection, kept, cancel)
        except BaseException as error:  # also an interrupt: a dropped connection is what ends the call
            connection.close()
            if cancel is not None:
                cancel.watch(None)
                if cancel.asked and isinstance(error, Broken):
                    raise Cancelled from None
            raise

    def close(self) -> None:
        """Drop kept connections. Requests under way go on."""
        for kept in self._kept.values():
            while kept:
                kept.pop().close()

    __del__ = close  # a process may end without closing its session

    def _prepared(self, url: str) -> tuple[str, bytes]:
        """Where a URL's requests go, and how they begin."""
        split = urlsplit(url)
        origin = f"{split.scheme}://{split.netloc}"
        path = (split.path or "/") + (f"?{split.query}" if split.query else "")
        own = self._endpoint.socket is not None or origin == self._endpoint.url.rstrip("/")
        token = f"Authorization: Bearer {self._endpoint.token}\r\n" if self._endpoint.token and own else ""
        begin = (
            f"POST {path} HTTP/1.1\r\nHost: {split.netloc}\r\n"
            f"User-Agent: nbfn/{__version__}\r\nAccept-Encoding: identity\r\n{token}"
        )
        prepared = ("" if self._endpoint.socket is not None else origin, begin.encode("latin-1"))
        self._heads[url] = prepared
        return prepared

    def _connection(self, where: str, kept: deque[Connection]) -> Connection:
        while True:
            try:
                connection = kept.pop()  # the one used last: others may have been closed by now
            except IndexError:
                break
            if connection.usable:
                return connection
            connection.close()
        try:
            return Connection(self._dial(where))
        except OSError as error:
            raise NotSent(str(error)) from error

    def _dial(self, where: str) -> socket.socket:
        if not where:
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(str(self._endpoint.socket))
            except BaseException:
                sock.close()
                raise
            return sock
        split = urlsplit(where)
        secure = split.scheme == "https"
        port = split.port or (443 if secure else 80)
        sock = socket.create_connection((split.hostname or "", port), timeout=_CONNECT_TIMEOUT_S)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if secure:
                sock = ssl.create_default_context().wrap_socket(sock, server_hostname=split.hostname)
            sock.settimeout(None)
        except BaseException:
            sock.close()
            raise
        return sock


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):  # it may have ended by itself
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
