"""How the control plane answers: Fn's JSON and error bodies, and one handler per method of a path."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route

from nbfn.errors import StateError, TargetError
from nbfn.executor.database import DiskFull

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from nbfn.executor.metrics import Metrics

    Handler = Callable[[Request], Awaitable[Response]]

log = logging.getLogger(__name__)

BODY_BYTES = 1 << 20
PATH = "nbfn.path"
"""In a request's scope: the path of its route, with the parameters by name."""


def reply(document: object, status: int = 200) -> Response:
    """JSON as Fn sends it."""
    body = json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n"
    return Response(body, status, media_type="application/json; charset=utf-8")


def nothing() -> Response:
    """Fn's answer to a delete."""
    return Response(status_code=204, headers={"content-type": "text/plain"})


def route(path: str, **handlers: Handler) -> Route:
    """One path; each keyword is a method."""

    async def endpoint(request: Request) -> Response:
        request.scope[PATH] = path
        return await handlers[request.method if request.method != "HEAD" else "GET"](request)

    return Route(path, endpoint, methods=list(handlers))


class Metered:
    """An application whose answers are counted, but for those that stay open."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.monotonic(), 0

        async def note(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._app(scope, receive, note)
        path = scope.get(PATH) or ("" if status < 400 else "other")
        if path:
            self._metrics.answered(path, scope["method"], status, time.monotonic() - began)


async def read_body(request: Request) -> bytes:
    """The request's body. Raises TargetError (413) over 1 MiB: at once, if it says that it is."""
    body = bytearray()
    told = request.headers.get("content-length", "0")  # the front lets nothing else than digits through
    if int(told) > BODY_BYTES:
        raise TargetError(f"the body is larger than {BODY_BYTES} bytes: {told}", status=413)
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES:
            raise TargetError(f"the body is larger than {BODY_BYTES} bytes", status=413)
    return bytes(body)


def whole_number(request: Request, name: str, default: int, largest: int) -> int:
    """A query parameter, as Fn reads ``per_page``: anything that is no number above 0 is the default."""
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdigit()):
        return default
    digits = text.lstrip("0")
    return min(int(digits[:18] or default), largest)  # Python reads no number of thousands of digits


def count(request: Request, name: str, default: int, largest: int) -> int:
    """A query parameter of a route that is not Fn's. Raises TargetError (400) if it is no number above 0."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and text.strip("0")):
        raise TargetError(f"{name} is {text!r}: use a whole number from 1 to {largest}", status=400)
    return whole_number(request, name, default, largest)


async def on_target_error(_: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, TargetError) else 500
    return reply({"message": str(error)}, status or 400)


async def on_state_error(_: Request, error: Exception) -> Response:
    log.warning("%s", error)
    return reply({"message": str(error)}, 507 if isinstance(error, DiskFull) else 500)


async def on_http_exception(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    where = f"{request.method} {request.url.path}"
    if status == 404:
        target = request.url.path.rstrip("/")
        if target != request.url.path and _served(request, target):
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(target + query, 301 if request.method == "GET" else 307)
        return reply({"message": f"Path not found: {where}"}, 404)
    if status == 405:
        response = reply({"message": f"Method not allowed: {where}"}, 405)
        response.headers.update(headers)
        return response
    return reply({"message": str(error)}, status)


def _served(request: Request, path: str) -> bool:
    """True if some route is for this path: only there may a caller be sent."""
    scope = {**request.scope, "path": path}
    return any(each.matches(scope)[0] is not Match.NONE for each in request.app.routes)


async def on_error(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return reply({"message": f"internal server error: {type(error).__name__}"}, 500)


HANDLERS = {
    TargetError: on_target_error,
    StateError: on_state_error,
    HTTPException: on_http_exception,
    Exception: on_error,
}
