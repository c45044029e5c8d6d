"""The server's side of HTTP/1.1: connections, from bytes to exchanges and back.

One :class:`Connection` per caller's connection reads requests with httptools, has the guard look at each, and
makes an :class:`Exchange` of it: a call (``gateway``) or anything else (``control``). One exchange at a time
answers; what a caller sends beyond that waits. Slow callers are cut off by one clock for all connections.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from nbfn.executor.body import Body
from nbfn.executor.http import HEADER_BYTES, BadRequest, Request, answer_head, head_again
from nbfn.executor.memory import pid_of
from nbfn.executor.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.executor.guard import Guard

log = logging.getLogger(__name__)

JSON_LINE = b"Content-Type: application/json; charset=utf-8\r\n"
_LINE_BYTES = len(b": \r\n")


class Exchange(Protocol):
    """One request and its answer. It calls ``connection.done()`` once, when all of the answer is written."""

    def start(self) -> None:
        """Its turn has come: it may write."""
        ...

    def fed(self) -> None:
        """More of the request's body came, maybe the end."""
        ...

    def gone(self) -> None:
        """The caller hung up, or was cut off. Nothing more is called."""
        ...

    def pause(self) -> None:
        """The caller takes no more for now."""
        ...

    def resume(self) -> None:
        """The caller takes more."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a caller may take."""

    idle_s: float = 300.0
    """Between requests: longer than any client keeps a connection, so the side that calls closes it."""
    head_s: float = 30.0
    """For all of the headers."""
    body_s: float = 60.0
    """Between two pieces of the body."""
    write_s: float = 60.0
    """Until it takes more of an answer."""
    discard_s: float = 2.0
    """To stop sending a body that was refused."""
    sweep_s: float = 5.0
    """How often is looked."""


@dataclass(slots=True)
class Front:
    """What all connections share. ``exchange`` makes what answers a request that was let in."""

    guard: Guard
    exchange: Callable[[Connection, Request, Body], Exchange]
    tasks: set[asyncio.Task[None]]
    """Exchanges that are under way as tasks."""
    patience: Patience = Patience()


class Connection(asyncio.Protocol):
    """One caller's connection."""

    def __init__(self, front: Front, all_of_them: set[Connection]) -> None:
        self._front = front
        self._all = all_of_them
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._current: Exchange | None = None
        self._waiting: deque[tuple[Exchange, Request, Body]] = deque()
        self._request: Request | None = None  # that of the current exchange
        self._body: Body | None = None
        self._incoming: Exchange | None = None  # whose body is being read
        self._incoming_body: Body | None = None
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._paused = 0
        self._deaf = False  # nothing it sends is read any more
        self._closing = False  # after the current answer
        self._wrote = False  # of the current answer
        self._sluggish = False  # it does not take what is written
        self.expires = math.inf

    # What exchanges use

    def write(self, data: bytes) -> None:
        """Send it; nothing happens if the caller is gone."""
        if self._transport is not None:
            self._wrote = True
            self._transport.write(data)

    @property
    def peer_pid(self) -> int:
        """The process at the other end; 0 if it is none of this machine's."""
        return pid_of(self._transport.get_extra_info("socket")) if self._transport is not None else 0

    def welcome_body(self, request: Request, body: Body) -> None:
        """Tell a caller that asks before it sends."""
        if request.expects_continue and request.http_11 and not body.kept and not body.complete:
            request.expects_continue = False
            if self._transport is not None:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def done(self) -> None:
        """The current exchange has written all of its answer."""
        request, body = self._request, self._body
        self._current = self._request = None
        if self._transport is None or request is None or body is None:
            return
        if (
            not body.complete and body.length != 0
        ):  # the next request cannot be found before the end of this body
            body.throw_away()
            self._closing = True
            self.expires = self._loop.time() + self._front.patience.discard_s
        elif self._closing or not request.keep_alive:
            self._transport.close()
        elif self._waiting:
            self._loop.call_soon(self._next)
        else:
            self.expires = self._loop.time() + self._front.patience.idle_s

    def abort(self) -> None:
        """Cut the caller off, so that it sees that its answer is not whole."""
        if self._transport is not None:
            self._transport.abort()

    def refuse(self, request: Request, status: int, message: str, more: bytes = b"") -> None:
        """Answer with an error of the executor's, in place of an exchange's own answer."""
        text = json.dumps({"message": message}).encode() + b"\n"
        if self._body is not None and not self._body.complete and self._body.length != 0:
            request.keep_alive = False
        head = answer_head(request, status, JSON_LINE + more, len(text))
        self.write(head if request.method == b"HEAD" else head + text)
        self.done()

    def pause_reading(self) -> None:
        """Each one undone by a ``resume_reading``."""
        self._paused += 1
        if self._paused == 1 and self._transport is not None:
            self._transport.pause_reading()
            self.expires = math.inf

    def resume_reading(self) -> None:
        self._paused -= 1
        if self._paused == 0 and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            if self._incoming is not None:
                self.expires = self._loop.time() + self._front.patience.body_s

    # What the listener uses

    @property
    def busy(self) -> bool:
        """True while an exchange is not done."""
        return self._current is not None

    def shutdown(self) -> None:
        """Close, after the current answer."""
        self._closing = True
        if self._current is None and self._transport is not None:
            self._transport.close()

    def too_slow(self) -> None:
        """Its time is over."""
        self.expires = math.inf
        transport = self._transport
        if transport is None:
            return
        if self._current is None and self._incoming is None and self._head_bytes:
            self._bad(BadRequest(408, "the headers took too long"))
        else:
            transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._all.add(self)
        self.expires = self._loop.time() + self._front.patience.head_s

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.discard(self)
        self._transport, self.expires = None, math.inf
        current, self._current = self._current, None
        self._waiting.clear()  # they never started
        if current is not None:
            current.gone()

    def eof_received(self) -> None:
        """A caller that sends no more is one that hung up: the two cannot be told apart in time."""
        if self._current is not None and self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        fresh = self._head_bytes == 0 and self._incoming is None
        self._head_bytes += len(data)
        try:
            while data:
                data = self._feed(data)
        except httptools.HttpParserError as error:
            self._bad(error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error)
            return
        if self._incoming is not None:
            if self._head_bytes > HEADER_BYTES:  # since the last of the body
                self._bad(BadRequest(431, f"between two chunks are more than {HEADER_BYTES} bytes"))
                return
            # Once its answer is written, more of a body gives it no more time: nobody wants that.
            if self._incoming is self._current and not self._paused:
                self.expires = self._loop.time() + self._front.patience.body_s
        elif self._head_bytes:
            if self._head_bytes > HEADER_BYTES:
                self._bad(BadRequest(431, f"the headers are larger than {HEADER_BYTES} bytes"))
            elif fresh:
                self.expires = self._loop.time() + self._front.patience.head_s
        elif self._current is not None and not self._sluggish:
            self.expires = math.inf

    def _feed(self, data: bytes) -> bytes:
        """What is left of it: what comes after an offer of another protocol, which is not taken up."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._parser = httptools.HttpRequestParser(self)
            if self._incoming_body is not None:  # to the old one, all that follows was the other protocol's
                self._parser.feed_data(head_again(self._incoming_body.length))
            return data[offer.args[0] :]
        return b""

    def pause_writing(self) -> None:
        self._sluggish = True
        self.expires = self._loop.time() + self._front.patience.write_s
        if self._current is not None:
            self._current.pause()

    def resume_writing(self) -> None:
        self._sluggish = False
        if self._current is not None:
            self.expires = math.inf
            self._current.resume()
        else:
            self.expires = self._loop.time() + self._front.patience.idle_s

    # httptools

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._incoming is None:
            self._headers.append((name.lower(), value))
        elif (size := self._head_bytes + len(name) + len(value) + _LINE_BYTES) > HEADER_BYTES:
            raise BadRequest(431, "the trailers are too large")
        else:
            self._head_bytes = size

    def on_headers_complete(self) -> None:
        if self._incoming is not None:
            return  # the head is said again
        parser, headers = self._parser, self._headers
        size = len(self._url)
        for name, value in headers:
            size += len(name) + len(value) + _LINE_BYTES
        if size > HEADER_BYTES:
            raise BadRequest(431, f"the headers are larger than {HEADER_BYTES} bytes")
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise BadRequest(505, f"HTTP/{version} is not spoken here, HTTP/1.1 is")
        request = Request(
            parser.get_method(),
            self._url,
            headers,
            version == "1.1",
            parser.should_keep_alive(),
        )
        self._head_bytes = 0
        body = Body(request.length, self)
        refusal = self._front.guard.refusal(request.host, request.authorization)
        if refusal is not None:
            more = b"WWW-Authenticate: Bearer\r\n" if refusal[0] == 401 else b""
            exchange: Exchange = Refused(self, request, body, *refusal, more)
        else:
            exchange = self._front.exchange(self, request, body)
        self._incoming, self._incoming_body = exchange, body
        if self._current is None and not self._waiting:
            self._begin(exchange, request, body)
        else:
            self._waiting.append((exchange, request, body))
            self.pause_reading()  # until this one's turn

    def on_body(self, data: bytes) -> None:
        body, exchange = self._incoming_body, self._incoming
        if body is not None and exchange is not None:
            self._head_bytes = 0
            body.feed(data)
            if exchange is self._current:
                exchange.fed()

    def on_message_complete(self) -> None:
        body, exchange = self._incoming_body, self._incoming
        if self._parser.should_upgrade() and body is not None and body.length != 0:
            return  # the parser leaves out the body of who offers another protocol
        self._incoming = self._incoming_body = None
        self._head_bytes = 0
        if body is not None and exchange is not None:
            body.end()
            if exchange is self._current:
                exchange.fed()
            elif self._closing and self._current is None and self._transport is not None:
                self._transport.close()  # the rest of a body that nobody wanted

    # Turns

    def _begin(self, exchange: Exchange, request: Request, body: Body) -> None:
        self._current, self._request, self._body, self._wrote = exchange, request, body, False
        exchange.start()

    def _next(self) -> None:
        if self._transport is None or not self._waiting:
            return
        if not self._transport.is_closing():
            exchange, request, body = self._waiting.popleft()
            self._begin(exchange, request, body)
            self.resume_reading()

    def _bad(self, error: BaseException | None) -> None:
        """What came is no request, or its body is none."""
        self._deaf = self._closing = True
        transport, current = self._transport, self._current
        if transport is None:
            return
        if current is not None:
            if current is not self._incoming:
                return  # the answer to the one before still comes, and is the last
            self._current = self._transport = None  # what it says of its end is for nobody
            current.gone()
            if self._wrote:
                transport.abort()
                return
        status, message = 400, f"not an HTTP request: {error}"
        if isinstance(error, BadRequest):
            status, message = error.status, error.message
        elif not isinstance(error, httptools.HttpParserError):
            log.error("a request could not be taken", exc_info=error)
            status, message = 500, "internal server error"
        text = json.dumps({"message": message}).encode() + b"\n"
        request = Request(b"GET", b"/", [], keep_alive=False)
        transport.write(answer_head(request, status, JSON_LINE, len(text)) + text)
        transport.close()
