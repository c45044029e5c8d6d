"""Everything but calls: the request given to an ASGI application, in a task of its own."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from urllib.parse import unquote

from nbfn.executor.http import answer_head, framed, has_body, lines

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

    from nbfn.executor.body import Body
    from nbfn.executor.front import Connection
    from nbfn.executor.hop import Headers
    from nbfn.executor.http import Request

log = logging.getLogger(__name__)


class Control:
    """One :class:`nbfn.executor.front.Exchange` with the application."""

    def __init__(
        self,
        app: ASGIApp,
        tasks: set[asyncio.Task[None]],
        connection: Connection,
        request: Request,
        body: Body,
    ) -> None:
        self._app, self._tasks = app, tasks
        self._connection, self._request, self._body = connection, request, body
        self._came = asyncio.Event()  # more of the body, or the caller's end
        self._flows = asyncio.Event()
        self._flows.set()
        self._gone = self._told_all = self._over = False
        self._wrote_head = self._with_body = self._chunked = False

    # Exchange

    def start(self) -> None:
        task = asyncio.get_running_loop().create_task(self._run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def fed(self) -> None:
        self._came.set()

    def gone(self) -> None:
        self._gone = True
        self._came.set()
        self._flows.set()

    def pause(self) -> None:
        self._flows.clear()

    def resume(self) -> None:
        self._flows.set()

    # ASGI

    async def _run(self) -> None:
        try:
            await self._app(self._scope(), self._receive, self._send)
        except Exception:
            log.exception("%s %s failed", self._request.method.decode(), self._request.path.decode("latin-1"))
        if self._over or self._gone:
            return
        if self._wrote_head:
            self._connection.abort()
        else:
            self._connection.refuse(self._request, 500, "internal server error")

    def _scope(self) -> Scope:
        request = self._request
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1" if request.http_11 else "1.0",
            "method": request.method.decode("latin-1"),
            "scheme": "http",
            "path": unquote(request.path.decode("latin-1")),
            "raw_path": request.path,
            "query_string": request.query,
            "root_path": "",
            "headers": request.headers,
            "client": None,
            "server": None,
        }

    async def _receive(self) -> Message:
        body = self._body
        if not self._told_all:
            self._connection.welcome_body(self._request, body)
        while not self._gone and not self._over and not body.kept and (self._told_all or not body.complete):
            self._came.clear()
            await self._came.wait()
        if self._gone or self._over:
            return {"type": "http.disconnect"}
        data = b"".join(body.take())
        body.resume()
        self._told_all = body.complete
        return {"type": "http.request", "body": data, "more_body": not body.complete}

    async def _send(self, message: Message) -> None:
        if self._gone or self._over:
            return
        if message["type"] == "http.response.start":
            self._begin(message["status"], message.get("headers", []))
            return
        if not self._wrote_head:
            raise RuntimeError("an answer has to start before its body")
        data, last = message.get("body", b""), not message.get("more_body", False)
        if self._with_body and (data or self._chunked):
            self._connection.write(framed([data], last=last) if self._chunked else data)
        if last:
            self._over = True
            self._came.set()
            self._connection.done()
        else:
            await self._flows.wait()

    def _begin(self, status: int, headers: Headers) -> None:
        request = self._request
        length = next((int(value) for name, value in headers if name.lower() == b"content-length"), None)
        kept = lines(pair for pair in headers if pair[0].lower() != b"content-length")
        self._with_body = has_body(request, status)
        self._chunked = length is None and request.http_11
        if length is None and not request.http_11 and self._with_body:
            request.keep_alive = False  # the end of the connection is the end of the body
        if not self._body.complete and self._body.length != 0:
            request.keep_alive = False
        self._connection.write(answer_head(request, status, kept, length))
        self._wrote_head = True
