"""Calls over HTTP: ``POST /invoke/:fn_id`` and ``/t/:app/:source``, from a request to a call and back."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from nbfn.errors import Conflict, TargetError
from nbfn.executor import trigger
from nbfn.executor.body import Body
from nbfn.executor.calls import Call
from nbfn.executor.control import Control
from nbfn.executor.detached import BODY_BYTES, Results
from nbfn.executor.http import answer_head, framed, has_body, lines
from nbfn.executor.ids import is_id, new_id
from nbfn.executor.memory import NotShared, borrow
from nbfn.executor.records import CallRecord
from nbfn.executor.refused import Refused
from nbfn.runtime.wire import CALL_ID_HEADER, MEMORY_HEADER

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp

    from nbfn.executor.answers import Response
    from nbfn.executor.front import Connection, Exchange
    from nbfn.executor.http import Request
    from nbfn.executor.memory import Memory
    from nbfn.executor.pool import Pool
    from nbfn.executor.records import Recorder
    from nbfn.executor.revision import Revision

PREFIX = b"/invoke/"
_CALL_ID = CALL_ID_HEADER.lower().encode()
_MEMORY = MEMORY_HEADER.lower().encode()
_NOT_SHARED = b"%b: refused\r\n" % MEMORY_HEADER.encode()
MAX_BODY_BYTES = 64 << 30  # it is passed on as it comes, so this is no matter of memory

# Of the connection, said anew by the pool, or (the token) never a function's business.
_NOT_PASSED_ON = frozenset(
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
        b"host",
        b"expect",
        b"authorization",
        b"fn-call-id",
        b"fn-deadline",
        b"fn-invoke-type",
        b"nbfn-call-id",
        b"nbfn-memory",
    )
)


class Triggers(Protocol):
    """Where triggers are looked up."""

    def trigger(self, app_name: str, source: str) -> str:
        """The id of the function behind it.

        Raises:
            TargetError: there is no such application or trigger; with Fn's status and message.
        """
        ...


@dataclass(slots=True)
class Gateway:
    """Decides which exchange a request gets."""

    pool: Pool
    triggers: Triggers
    control: ASGIApp
    results: Results
    recorder: Recorder
    max_body_bytes: int = MAX_BODY_BYTES
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    """Those of the control plane's requests."""

    def exchange(self, connection: Connection, request: Request, body: Body) -> Exchange:
        """What answers this request."""
        path = request.path
        if path.startswith(PREFIX):
            if request.method != b"POST":
                shown = f"{request.method.decode()} {path.decode('latin-1')}"
                message = f"Method not allowed: {shown}"
                return Refused(connection, request, body, 405, message, b"Allow: POST\r\n")
            fn_id = path[len(PREFIX) :].decode("latin-1")
        elif path.startswith(trigger.PREFIX):
            try:
                fn_id = self.triggers.trigger(*trigger.split(path))
            except TargetError as error:
                return Refused(connection, request, body, error.status or 404, str(error))
        else:
            return Control(self.control, self.tasks, connection, request, body)
        revision = self.pool.revision(fn_id)
        if revision is None:
            return Refused(connection, request, body, 404, "Fn not found")
        largest = self.max_body_bytes
        detached = any(
            name == b"fn-invoke-type" and value.lower() == b"detached" for name, value in request.headers
        )
        if detached:
            largest = min(largest, BODY_BYTES)
        if body.length is not None and body.length > largest:
            message = f"Content-Length too large for this server, {body.length} > max {largest}"
            return Refused(connection, request, body, 413, message)
        if detached:
            return Detached(self, connection, request, body, revision)
        return Invocation(self, connection, request, body, revision)

    def call_id(self, request: Request) -> str:
        """The id that the caller chose, if it has the form of one, or a new one.

        Raises:
            Conflict: another call has it, or had it.
        """
        if not _triggered(request):
            for name, value in request.headers:
                if name == _CALL_ID:
                    told = value.decode("latin-1")
                    if not is_id(told):
                        break
                    if told in self.pool.call_ids or self.pool.call(told) is not None:
                        raise Conflict(f"Call already exists: {told} is the id of another call", status=409)
                    return told
        return new_id()


def _triggered(request: Request) -> bool:
    return request.path.startswith(trigger.PREFIX)


def header_lines(request: Request) -> bytes:
    """The caller's headers as the function gets them."""
    if _triggered(request):
        return trigger.header_lines(request)
    found: list[bytes] = []
    for name, value in request.headers:
        if name not in _NOT_PASSED_ON:
            found += (name, b": ", value, b"\r\n")
    return b"".join(found)


class Invocation:
    """One call and its caller (an :class:`Exchange` and a :class:`nbfn.executor.calls.Caller`).

    A small body is gathered first: it then goes to the instance in one piece, and could go to another
    instance. Of any other, the call begins with its headers.
    """

    __slots__ = (
        "_body",
        "_call",
        "_chunked",
        "_connection",
        "_gateway",
        "_request",
        "_revision",
        "_with_body",
    )

    def __init__(
        self, gateway: Gateway, connection: Connection, request: Request, body: Body, revision: Revision
    ) -> None:
        self._gateway, self._connection = gateway, connection
        self._request, self._body, self._revision = request, body, revision
        self._call: Call | None = None
        self._chunked = False
        self._with_body = True

    # Exchange

    def start(self) -> None:
        body = self._body
        if body.complete or not body.small:
            self._submit()
        if not body.complete:
            self._connection.welcome_body(self._request, body)

    def fed(self) -> None:
        if self._call is None and self._body.complete:
            self._submit()

    def gone(self) -> None:
        if self._call is not None:
            self._gateway.pool.cancel(self._call)

    def pause(self) -> None:
        if self._call is not None:
            self._call.pause()

    def resume(self) -> None:
        if self._call is not None:
            self._call.resume()

    def _submit(self) -> None:
        if self._body.complete:
            self._body.length = self._body.kept
        told = next((value for name, value in self._request.headers if name == _MEMORY), None)
        memory: Memory | None = None
        if told is not None:
            try:
                memory = borrow(self._connection.peer_pid, told)
            except NotShared as error:
                message = f"the call's memory cannot be shared: {error}"
                self._connection.refuse(self._request, 422, message, _NOT_SHARED)
                return
        try:
            call_id = self._gateway.call_id(self._request)
        except Conflict as error:
            self._connection.refuse(self._request, 409, str(error))
            return
        self._call = call = Call(
            call_id,
            self._revision,
            header_lines(self._request),
            self._body,
            self,
            time.monotonic(),
            time.time(),
            memory=memory,
        )
        self._gateway.pool.submit(call)

    # Caller

    def begin(self, call: Call, response: Response, *, last: bool) -> None:
        request, status, headers = self._request, response.status, response.headers
        told = call.told(time.monotonic(), last=last)
        if response.passed_on and _triggered(self._request):
            status, headers = trigger.answer(headers)
        self._with_body = has_body(request, status)
        body = response.body if self._with_body else []
        length = sum(map(len, response.body)) if last else response.length
        self._chunked = length is None and request.http_11
        if length is None and not request.http_11:
            request.keep_alive = False  # the end of the connection is the end of the body
        if not self._body.complete and self._body.length != 0:
            request.keep_alive = False
        head = answer_head(request, status, lines(headers) + told, length)
        if self._chunked and body:
            body = [framed(body, last=False)]
        self._connection.write(b"".join((head, *body)))
        if last:
            self._connection.done()

    def more(self, body: list[bytes], *, last: bool) -> None:
        if self._with_body:
            data = framed(body, last=last) if self._chunked else b"".join(body)
            if data:
                self._connection.write(data)
        if last:
            self._connection.done()

    def broken(self) -> None:
        self._connection.abort()


class Detached:
    """A call that nobody waits for: 202 once its body is here and its record kept; its answer is a result."""

    def __init__(
        self, gateway: Gateway, connection: Connection, request: Request, body: Body, revision: Revision
    ) -> None:
        self._gateway, self._connection = gateway, connection
        self._request, self._body, self._revision = request, body, revision
        self._pieces: list[bytes] = []
        self._size = 0
        self._over = self._gone = False

    def start(self) -> None:
        if not self._body.complete:
            self._connection.welcome_body(self._request, self._body)
        self.fed()

    def fed(self) -> None:
        if self._over:
            return
        self._size += self._body.kept
        self._pieces += self._body.take()
        self._body.resume()
        if self._size > BODY_BYTES:
            message = f"Content-Length too large for this server, {self._size} > max {BODY_BYTES}"
            self._refuse(413, message)
        elif self._body.complete:
            self._submit()

    def _submit(self) -> None:
        try:
            call_id = self._gateway.call_id(self._request)
        except Conflict as error:
            self._refuse(409, str(error))
            return
        fn_id, queued_at = self._revision.fn_id, time.time()
        result = self._gateway.results.new(
            call_id, fn_id, queued_at, self._size, triggered=_triggered(self._request)
        )
        if result is None:
            self._refuse(
                429, "Too many requests submitted: the bodies of waiting detached calls are too large"
            )
            return
        self._over = True
        lines_ = header_lines(self._request)
        call = Call(
            call_id, self._revision, lines_, Body.of(self._pieces), result, time.monotonic(), queued_at
        )
        self._pieces = []
        self._gateway.recorder.call(CallRecord.opened(call_id, fn_id, queued_at))
        self._gateway.pool.submit(call)
        self._gateway.pool.spawn(self._acknowledge(call_id))

    async def _acknowledge(self, call_id: str) -> None:
        """Say 202, but not before the record is on disk: what was acknowledged must not vanish."""
        await self._gateway.recorder.flush()
        if self._gone:
            return
        self._connection.write(answer_head(self._request, 202, b"Fn-Call-Id: %b\r\n" % call_id.encode(), 0))
        self._connection.done()

    def _refuse(self, status: int, message: str) -> None:
        self._over = True
        self._pieces = []
        self._connection.refuse(self._request, status, message)

    def gone(self) -> None:
        self._over = self._gone = True

    def pause(self) -> None:
        pass

    resume = pause
