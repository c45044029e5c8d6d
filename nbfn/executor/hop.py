"""The hop from the executor to an instance: one kept-alive connection, one request at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import httptools

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Headers = list[tuple[bytes, bytes]]
    OnAnswer = Callable[["Answer | HopFailed"], None]

MAX_ANSWER_BYTES = 256 << 20
MAX_HEADER_BYTES = 1 << 20
_JOIN_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Answer:
    """An instance's whole response. Body in the pieces in which it came."""

    status: int
    headers: Headers
    body: list[bytes]


class HopFailed(Exception):
    """No answer came, or none that could be used; the text says why.

    ``closed``: the connection ended first, so the instance's own end is the likely cause.
    """

    def __init__(self, cause: str, *, closed: bool = False) -> None:
        super().__init__(cause)
        self.closed = closed


class Connection(asyncio.Protocol):
    """One connection. Make it with :func:`dial`."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._on_answer: OnAnswer | None = None
        self._outcome: Answer | HopFailed | None = None
        self._begin()

    def _begin(self) -> None:
        self._headers: Headers = []
        self._body: list[bytes] = []
        self._size = 0
        self._in_body = False
        self._until_end = True  # neither Content-Length nor chunked: the body ends with the connection

    @property
    def usable(self) -> bool:
        """True if a request may be sent: open, and the one before has been answered."""
        transport = self._transport
        return transport is not None and not transport.is_closing() and self._on_answer is None

    def send(self, head: bytes, body: Sequence[bytes], on_answer: OnAnswer) -> None:
        """Send one request; ``on_answer`` is called once, from the loop, unless ``close`` is first."""
        transport = self._transport
        if transport is None:
            raise RuntimeError("the connection is closed")
        self._on_answer, self._outcome = on_answer, None
        self._begin()
        if len(body) == 1 and len(body[0]) < _JOIN_BYTES:
            transport.write(head + body[0])
        else:
            transport.writelines([head, *body])

    def close(self) -> None:
        """Drop the connection; an answer still to come is never reported."""
        self._on_answer = None
        if self._transport is not None:
            self._transport.abort()

    def _report(self, outcome: Answer | HopFailed) -> None:
        on_answer, self._on_answer = self._on_answer, None
        if isinstance(outcome, HopFailed):
            self.close()
        if on_answer is not None:
            on_answer(outcome)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._on_answer is None:  # it speaks unasked
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            too_large = error.__context__
            self._outcome = too_large if isinstance(too_large, HopFailed) else HopFailed(str(error))
        except httptools.HttpParserError as error:
            self._outcome = HopFailed(f"not an HTTP answer ({error})")
        # Only now: the next request may go out at once, and the parser must be done with this one.
        if self._outcome is not None:
            self._report(self._outcome)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._in_body and self._until_end:
            self._report(Answer(self._parser.get_status_code(), self._headers, self._body))
        else:
            closed = "the connection was closed before the answer was complete"
            self._report(HopFailed(closed, closed=True))

    # httptools

    def on_message_begin(self) -> None:
        if self._outcome is not None:
            self._outcome = HopFailed("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))
        self._size += len(name) + len(value)
        if self._size > MAX_HEADER_BYTES:
            raise HopFailed("function response header too large")
        if len(name) in (14, 17) and name.lower() in (b"content-length", b"transfer-encoding"):
            self._until_end = False

    def on_headers_complete(self) -> None:
        self._in_body, self._size = True, 0

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_ANSWER_BYTES:
            raise HopFailed("function response body too large")
        self._body.append(data)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue and the like come before the answer
            self._begin()
            return
        self._in_body = False
        self._outcome = self._outcome or Answer(status, self._headers, self._body)
        if not self._parser.should_keep_alive() and self._transport is not None:
            self._transport.close()


async def dial(socket: Path) -> Connection:
    """A connection to an instance's socket. Raises OSError."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_unix_connection(Connection, str(socket))
    return connection
