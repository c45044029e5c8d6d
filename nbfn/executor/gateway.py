"""``POST /invoke/:fn_id``: bare ASGI, because every call passes here."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from nbfn.executor import answers
from nbfn.executor.calls import Call
from nbfn.executor.ids import is_id, new_id
from nbfn.runtime.wire import CALL_ID_HEADER

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from nbfn.executor.answers import Response
    from nbfn.executor.hop import Headers
    from nbfn.executor.pool import Pool

PREFIX = "/invoke/"
_CALL_ID = CALL_ID_HEADER.lower().encode()
MAX_BODY_BYTES = 256 << 20

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
        b"nbfn-call-id",
    )
)
# A call that takes longer is watched for a caller that hangs up. Most are over before that is worth a task.
_WATCH_AFTER_S = 0.02


class Gateway:
    """Reads the request, has the pool run it, writes the answer."""

    def __init__(self, pool: Pool, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._pool = pool
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        arrived, queued_at = time.monotonic(), time.time()
        path = scope["path"]
        revision = self._pool.revision(path[len(PREFIX) :])
        if scope["method"] != "POST":
            response = answers.failure(405, f"Method not allowed: {scope['method']} {path}")
            await _write(send, response, [(b"allow", b"POST")])
            return
        if revision is None:
            await _write(send, answers.failure(404, "Fn not found"))
            return
        body = await self._read(scope, receive)
        if body is None:
            return
        if isinstance(body, int):
            message = f"Content-Length too large for this server, {body} > max {self._max_body_bytes}"
            await _write(send, answers.failure(413, message))
            return
        call = Call(self._id(scope), revision, _header_lines(scope), body, arrived, queued_at)
        self._pool.submit(call)
        try:
            response = await self._outcome(call, receive)
        except asyncio.CancelledError:
            self._pool.cancel(call)
            raise
        await _write(send, response, [(b"fn-call-id", call.id.encode())])

    def _id(self, scope: Scope) -> str:
        """The id that the caller has given the call, if it can be one and no other call runs under it."""
        for name, value in scope["headers"]:
            if name == _CALL_ID:
                told = value.decode("latin-1")
                return told if is_id(told) and self._pool.call(told) is None else new_id()
        return new_id()

    async def _read(self, scope: Scope, receive: Receive) -> list[bytes] | int | None:
        """The body; its size if it is too large; None if the caller went away."""
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > self._max_body_bytes:
                return int(value)
        body: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            if piece := message.get("body", b""):
                body.append(piece)
                size += len(piece)
                if size > self._max_body_bytes:
                    return size
            if not message.get("more_body", False):
                return body

    async def _outcome(self, call: Call, receive: Receive) -> Response:
        loop = asyncio.get_running_loop()
        watch: list[asyncio.Task[None]] = []
        timer = loop.call_later(
            _WATCH_AFTER_S, lambda: watch.append(loop.create_task(self._watch(call, receive)))
        )
        try:
            return await call.done
        finally:
            timer.cancel()
            for task in watch:
                task.cancel()

    async def _watch(self, call: Call, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._pool.cancel(call)


def _header_lines(scope: Scope) -> bytes:
    """The caller's headers as the function gets them."""
    lines: list[bytes] = []
    for name, value in scope["headers"]:
        if name not in _NOT_PASSED_ON:
            lines += (name, b": ", value, b"\r\n")
    return b"".join(lines)


async def _write(send: Send, response: Response, more: Headers | None = None) -> None:
    length = str(sum(map(len, response.body))).encode()
    headers = [*response.headers, *(more or ()), (b"content-length", length)]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    last = len(response.body) - 1
    for at, piece in enumerate(response.body):
        await send({"type": "http.response.body", "body": piece, "more_body": at < last})
    if last < 0:
        await send({"type": "http.response.body"})
