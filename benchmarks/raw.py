"""The cheapest HTTP client there is, over unix sockets: one request after another, or many clients."""

from __future__ import annotations

import selectors
import socket
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path


class RawClient:
    """Sends a prepared request and reads the answer by its Content-Length."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self.connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def connect(self) -> None:
        """On a new connection from here on."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(self._path)

    def exchange(self, request: bytes) -> bytes:
        """The body of the answer.

        Raises:
            RuntimeError: the answer is not a 200.
            ConnectionError: there was none.
        """
        status, body = self.ask(request)
        if status != 200:
            raise RuntimeError(f"{status} {body[:500].decode('latin-1')}")
        return body

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """The status and the body of the answer. Raises ConnectionError if there is none."""
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        length = _length(head)
        while len(body) < length:
            body += self._more()
        if b"\r\nconnection: close" in head.lower():
            self._socket.close()
            self.connect()
        return int(head[9:12]), body

    def _more(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the connection was closed")
        return data


def flood(path: Path, request: bytes, *, clients: int, calls: int) -> float:
    """Calls a second by so many clients, each with one request under way; one thread serves them all.

    Raises:
        RuntimeError: an answer is not a 200, or a connection was closed.
    """
    with selectors.DefaultSelector() as selector:
        opened = [socket.socket(socket.AF_UNIX) for _ in range(clients)]
        try:
            for each in opened:
                each.connect(str(path))
                selector.register(each, selectors.EVENT_READ, bytearray())
            begin = time.perf_counter()
            for each in opened:
                each.sendall(request)
            sent, done = clients, 0
            while done < calls:
                for key, _ in selector.select():
                    each = key.fileobj  # type: ignore[assignment]
                    if not _answered(each, key.data):
                        continue
                    done += 1
                    if sent < calls:
                        sent += 1
                        each.sendall(request)
            return calls / (time.perf_counter() - begin)
        finally:
            for each in opened:
                each.close()


def _answered(sock: socket.socket, data: bytearray) -> bool:
    """True if the whole of an answer has come; it is then forgotten."""
    piece = sock.recv(65536)
    if not piece:
        raise RuntimeError("the connection was closed")
    data += piece
    head, end, body = bytes(data).partition(b"\r\n\r\n")
    if not end:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(data[:500].decode("latin-1"))
    if len(body) < _length(head):
        return False
    data.clear()
    return True


def _length(head: bytes) -> int:
    (found,) = (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return found


def post(path: str, body: bytes, token: str = "") -> bytes:
    """A request as bytes."""
    auth = f"Authorization: Bearer {token}\r\n" if token else ""
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{auth}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
