"""The hop from the executor to an instance: one kept-alive connection, one request at a time."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import httptools

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nbfn.executor.body import Body

    Headers = list[tuple[bytes, bytes]]

MAX_HEADER_BYTES = 1 << 20
_JOIN_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Head:
    """Of an instance's answer. ``length`` is None if the answer does not tell."""

    status: int
    headers: Headers
    length: int | None = None


class HopFailed(Exception):
    """No answer came, or none that could be used; the text says why.

    ``closed``: the connection ended first, so the instance's own end is the likely cause.
    """

    def __init__(self, cause: str, *, closed: bool = False) -> None:
        super().__init__(cause)
        self.closed = closed


class Receiver(Protocol):
    """Who gets the answer. Called from the loop; after ``last``, or ``failed``, no more."""

    def answered(self, head: Head | None, body: list[bytes], last: bool) -> None:
        """The next part of the answer; the head comes with the first. A small answer is one part."""
        ...

    def failed(self, failure: HopFailed) -> None:
        """There will be no (more) answer."""
        ...


class Connection(asyncio.Protocol):
    """One connection. Make it with :func:`dial`."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._receiver: Receiver | None = None
        self._request: Body | None = None  # while not all of it has been sent
        self._chunked = False
        self._failure: HopFailed | None = None
        self._begin()

    def _begin(self) -> None:
        self._headers: Headers = []
        self._head: Head | None = None
        self._length: int | None = None
        self._pieces: list[bytes] = []
        self._read_bytes = 0
        self._in_body = self._complete = self._keep_alive = False
        self._until_end = True  # neither Content-Length nor chunked: the body ends with the connection

    @property
    def usable(self) -> bool:
        """True if a request may be sent: open, and the one before has been answered."""
        transport = self._transport
        return transport is not None and not transport.is_closing() and self._receiver is None

    def send(self, head: bytes, body: Body, receiver: Receiver, descriptors: Sequence[int] = ()) -> None:
        """Send one request; ``receiver`` gets the answer, unless ``close`` is first.

        ``head`` has the line for Content-Length or Transfer-Encoding that fits the body's length. The
        instance gets copies of ``descriptors`` with it.
        """
        transport = self._transport
        if transport is None:
            raise RuntimeError("the connection is closed")
        self._receiver = receiver
        self._begin()
        if not transport.is_reading():  # whoever took the answer before was slow until its very end
            transport.resume_reading()
        if descriptors:
            head = head[_send_beside(transport, head, descriptors) :]
        if body.complete and body.length is not None:
            if body.kept < _JOIN_BYTES:
                transport.write(b"".join((head, *body.take())))
            else:
                transport.writelines([head, *body.take()])
            return
        self._request, self._chunked = body, body.length is None
        transport.write(head)
        body.flow(self)

    def close(self) -> None:
        """Drop the connection; what is still to come of an answer is never reported."""
        self._receiver = None
        self._let_go_of_request()
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Read no more of the answer for now."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None:
            self._transport.resume_reading()

    # The body's sink

    def put(self, data: bytes) -> None:
        if self._transport is not None and self._request is not None:
            if self._chunked:
                self._transport.writelines([b"%x\r\n" % len(data), data, b"\r\n"])
            else:
                self._transport.write(data)

    def put_end(self) -> None:
        if self._transport is not None and self._request is not None and self._chunked:
            self._transport.write(b"0\r\n\r\n")
        self._request = None

    def pause_writing(self) -> None:
        if self._request is not None:
            self._request.pause()

    def resume_writing(self) -> None:
        if self._request is not None:
            self._request.resume()

    def _let_go_of_request(self) -> None:
        if self._request is not None:
            self._request.throw_away()
            self._request = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        receiver = self._receiver
        if receiver is None:  # it speaks unasked
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._failure = cause if isinstance(cause, HopFailed) else HopFailed(str(error))
        except httptools.HttpParserError as error:
            self._failure = self._failure or HopFailed(f"not an HTTP answer ({error})")
        self._count(len(data))
        # Only now: the next request may go out at once, and the parser must be done with this one.
        if self._failure is not None:
            self.close()
            receiver.failed(self._failure)
            return
        head, self._head = self._head, None
        if self._complete:
            self._receiver = None
            if self._request is not None:  # answered before it had read everything
                self.close()
            elif not self._keep_alive and self._transport is not None:
                self._transport.close()
            receiver.answered(head, self._pieces, True)
        elif head is not None or self._pieces:
            pieces, self._pieces = self._pieces, []
            receiver.answered(head, pieces, False)

    def _count(self, size: int) -> None:
        """The parser does not report a header or trailer without end: what comes is counted."""
        if self._pieces:
            self._read_bytes = 0
        else:
            self._read_bytes += size
            if self._read_bytes > MAX_HEADER_BYTES:
                self._failure = self._failure or HopFailed("function response header too large")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._let_go_of_request()
        receiver, self._receiver = self._receiver, None
        if receiver is None:
            return
        if self._in_body and self._until_end:
            receiver.answered(None, [], True)
        else:
            closed = "the connection was closed before the answer was complete"
            receiver.failed(HopFailed(closed, closed=True))

    # httptools

    def on_message_begin(self) -> None:
        if self._complete:
            self._failure = HopFailed("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:  # else a trailer
            self._headers.append((name, value))
            size = len(name)
            if size == 14 and name.lower() == b"content-length":
                self._until_end, self._length = False, int(value)
            elif size == 17 and name.lower() == b"transfer-encoding":
                self._until_end = False

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and not self._complete:
            self._in_body = True
            self._head = Head(status, self._headers, self._length)

    def on_body(self, data: bytes) -> None:
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # 100 Continue and the like come before the answer
            self._begin()
        elif not self._complete:
            self._in_body, self._complete = False, True
            self._keep_alive = self._parser.should_keep_alive()  # the parser forgets it after this


def _send_beside(transport: asyncio.Transport, data: bytes, descriptors: Sequence[int]) -> int:
    """Send descriptors with the first bytes of ``data``; how many bytes went out.

    A transport cannot do it. It has nothing of its own to write between an answer and the next request.
    """
    descriptor = transport.get_extra_info("socket").fileno()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=descriptor)
    try:
        return socket.send_fds(sock, [data], list(descriptors))
    except OSError:
        return 0  # it has been closed, as reading will tell
    finally:
        sock.detach()


async def dial(path: Path) -> Connection:
    """A connection to an instance's socket. Raises OSError."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_unix_connection(Connection, str(path))
    return connection
