"""OCI Functions in small: both versions of its API over one store, signatures verified, functions really run.

Written from the documented behaviour and held to it by Oracle's own SDKs (``test_sdk.py``). Tests may plan
what no client can bring about (``fail``, ``fail_work``, ``deny``); everything else happens by the rules.
"""

from __future__ import annotations

import base64
import email.utils
import json
import re
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from tests.oci import services
from tests.oci.artifacts import Artifacts
from tests.oci.instances import Fleet
from tests.oci.objects import Objects
from tests.oci.people import Person, a_key, token
from tests.oci.seen import Watch
from tests.oci.signatures import Gate, Refused
from tests.oci.store import Problem, Store, Thing, Work, need, not_found
from tests.oci.versions import OLD, from_old, to_old

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

_PAGE_MAX = 50
_PAYLOAD_MAX_BYTES = 6 * 1024 * 1024
_HOP = frozenset({"content-length", "connection", "transfer-encoding", "date", "server"})
_SUMMARY_LACKS = ("config", "syslogUrl")


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


class Cloud:
    """The server's state and its rules. ``url`` is set once it listens."""

    def __init__(self) -> None:
        self.issuer = a_key("issuer")
        self.gate = Gate(self.issuer.public_key())
        self.store = Store("")
        self.fleet = Fleet()
        self.requests: list[Seen] = []
        self.refused: list[str] = []
        """Why signatures were refused."""
        self.detached: deque[tuple[str, int]] = deque()
        """Function and status of each detached call that has ended."""
        self.detached_done = threading.Semaphore(0)
        self.denied: set[str] = set()
        """Operations that no policy allows."""
        self.clock_offset_s = 0.0
        self.watch = Watch()
        self.artifacts = Artifacts()
        self.objects = Objects()
        self.store.read_object = self.objects.read
        self._planned: list[tuple[str, Problem]] = []
        self._planned_work: list[tuple[str, tuple[str, str]]] = []

    # -- what tests may arrange ------------------------------------------------------------------------

    def person(self) -> Person:
        """A user whose key is known here."""
        person = Person(a_key("person"))
        self.gate.keys[person.key_id] = person.key.public_key()
        return person

    def token(self, person: Person, **claims: Any) -> str:
        return token(self.issuer, person.key.public_key(), **claims)

    def fail(self, operation: str, status: int, code: str, message: str = "planned", **headers: str) -> None:
        """Answer the next request of ``operation`` so. More than once: several in a row."""
        self._planned.append((operation, Problem(status, code, message, **headers)))

    def fail_work(self, operation: str, code: str, message: str) -> None:
        """Let the next work request of ``operation`` (``UPDATE_FUNCTION``) fail."""
        self._planned_work.append((operation, (code, message)))

    def reset(self) -> None:
        self.fleet.close()
        self.fleet = Fleet(self.fleet.layouts)
        self.fleet.layouts.clear()
        self.store = Store(self.store.endpoint)
        self.clock_offset_s = 0.0
        self.detached, self.detached_done = deque(), threading.Semaphore(0)
        self.requests.clear()
        self.refused.clear()
        self.denied.clear()
        self.artifacts = Artifacts()
        self.objects = Objects()
        self.store.read_object = self.objects.read
        self.watch = Watch()
        self._planned.clear()
        self._planned_work.clear()

    # -- one request -----------------------------------------------------------------------------------

    def answer(self, seen: Seen) -> Response:
        request_id = seen.headers.get("opc-request-id") or uuid.uuid4().hex.upper()
        try:
            try:
                signs_body = not services.is_upload(seen.method, seen.path)
                self.gate.check(seen.method, seen.path, seen.headers, seen.body, with_body=signs_body)
            except Refused as error:
                self.refused.append(str(error))
                text = (
                    "The required information to complete authentication was not provided or was incorrect."
                )
                raise Problem(401, "NotAuthenticated", text) from error
            response = self._route(seen)
        except Problem as problem:
            body = None if seen.method == "HEAD" else {"code": problem.code, "message": problem.message}
            response = _json(problem.status, body, **problem.headers)
        response.headers["opc-request-id"] = request_id
        return response

    def _route(self, seen: Seen) -> Response:
        path, _, query = seen.path.partition("?")
        if (service := services.find(self, seen.method, path)) is not None:
            operation, serve = service
            self._refuse(operation)
            reply = serve(seen.body, seen.headers, dict(parse_qsl(query, keep_blank_values=True)))
            return _json(reply.status, reply.document, **reply.headers)
        version, _, rest = path.lstrip("/").partition("/")
        for method, pattern, operation, handle in _ROUTES:
            found = re.fullmatch(pattern, rest)
            if not found or version not in (OLD, "20260325") or method != seen.method:
                continue
            if version == OLD and operation.startswith(("WorkRequest", "ListRuntimes")):
                continue
            self._refuse(operation)
            call = Call(
                self, version, seen, dict(parse_qsl(query, keep_blank_values=True)), [*found.groups()]
            )
            if operation == "InvokeFunction":
                return handle(call)
            with self.store.lock:
                return handle(call)
        raise Problem(404, "NotFound", "No such route")

    def _refuse(self, operation: str) -> None:
        """Raises Problem if a test has planned so, or no policy allows it."""
        for index, (planned, problem) in enumerate(self._planned):
            if planned == operation:
                del self._planned[index]
                raise problem
        if operation in self.denied:
            raise not_found(operation)

    def begin(self, version: str, operation: str, thing: Thing) -> Work | None:
        if version == OLD:
            return None
        error = None
        for index, (planned, what) in enumerate(self._planned_work):
            if planned == operation:
                error = what
                del self._planned_work[index]
                break
        return self.store.work(operation, thing, error)


@dataclass
class Call:
    """A request that may be carried out."""

    cloud: Cloud
    version: str
    seen: Seen
    query: dict[str, str]
    parts: list[str]

    @property
    def store(self) -> Store:
        return self.cloud.store

    @property
    def body(self) -> dict[str, Any]:
        try:
            document = json.loads(self.seen.body)
        except ValueError:
            raise Problem(400, "CannotParseRequest", "Incorrectly formatted request") from None
        return from_old(document) if self.version == OLD else document

    def thing(self, things: dict[str, Thing]) -> Thing:
        found = things.get(self.parts[0])
        if found is None:
            raise not_found(self.parts[0])
        if found.work is not None:
            found.work.steps += 1
        return found

    def shown(self, thing: Thing) -> dict[str, Any]:
        document = thing.seen()
        return to_old(document) if self.version == OLD else document

    def full(self, thing: Thing, work: Work | None = None) -> Response:
        headers = {"etag": thing.etag} | ({"opc-work-request-id": work.id} if work else {})
        return _json(200, self.shown(thing), **headers)

    def changed(self, thing: Thing, operation: str, change: Callable[[], None]) -> Response:
        work = self.cloud.begin(self.version, operation, thing)
        if work is None or work.error is None:
            change()
        if work is None:
            return self.full(thing) if operation.startswith("UPDATE") else Response(status_code=204)
        return Response(status_code=202, headers={"opc-work-request-id": work.id, "etag": thing.etag})

    def page(self, items: list[dict[str, Any]], *, wrapped: bool = False) -> Response:
        limit = min(int(self.query.get("limit", "10")), _PAGE_MAX)
        start = int(base64.b64decode(self.query["page"])) if "page" in self.query else 0
        part = items[start : start + limit]
        more = {}
        if start + limit < len(items):
            more = {"opc-next-page": base64.b64encode(str(start + limit).encode()).decode()}
        return _json(200, {"items": part} if wrapped else part, **more)

    def summaries(self, things: dict[str, Thing], owner: str) -> Response:
        need(self.query, owner)
        found = [
            {name: value for name, value in self.shown(thing).items() if name not in _SUMMARY_LACKS}
            for thing in things.values()
            if thing.document[owner] == self.query[owner]
            and self.query.get("displayName") in (None, thing.document["displayName"])
            and self.query.get("id") in (None, thing.document["id"])
            and self.query.get("lifecycleState") in (None, self.shown(thing)["lifecycleState"])
        ]
        return self.page(found)

    def if_match(self) -> str:
        return self.seen.headers.get("if-match", "")


def _create_app(call: Call) -> Response:
    made = call.store.create_app(call.body)
    made.work = call.cloud.begin(call.version, "CREATE_APPLICATION", made)
    return call.full(made, made.work)


def _create_fn(call: Call) -> Response:
    made = call.store.create_fn(call.body)
    made.work = call.cloud.begin(call.version, "CREATE_FUNCTION", made)
    if made.work and made.work.error:
        del call.store.fns[made.document["id"]]
    return call.full(made, made.work)


def _update(kind: str) -> Callable[[Call], Response]:
    def handle(call: Call) -> Response:
        things = call.store.fns if kind == "FUNCTION" else call.store.apps
        thing, body, etag = call.thing(things), call.body, call.if_match()
        return call.changed(thing, f"UPDATE_{kind}", lambda: call.store.change(thing, body, etag))

    return handle


def _delete(kind: str) -> Callable[[Call], Response]:
    def handle(call: Call) -> Response:
        thing = call.thing(call.store.fns if kind == "FUNCTION" else call.store.apps)
        if call.if_match() and call.if_match() != thing.etag:
            raise Problem(412, "NoEtagMatch", "The if-match header does not match the resource's etag")
        fn_id = thing.document["id"]
        remove = call.store.fns.pop if kind == "FUNCTION" else call.store.remove_app
        return call.changed(thing, f"DELETE_{kind}", lambda: _ignore(remove(fn_id)))

    return handle


def _ignore(_: object) -> None:
    return None


def _work(call: Call) -> Response:
    found = call.store.works.get(call.parts[0])
    if found is None:
        raise not_found(call.parts[0])
    document = found.document
    found.steps += 1
    return _json(200, document)


def _work_errors(call: Call) -> Response:
    found = call.store.works[call.parts[0]]
    errors = [found.error] if found.error else []
    return call.page(
        [{"code": code, "message": text, "timestamp": "2026-11-01T00:00:00Z"} for code, text in errors],
        wrapped=True,
    )


def _invoke(call: Call) -> Response:
    with call.store.lock:
        fn = call.thing(call.store.fns)
        app = call.store.apps[fn.document["applicationId"]]
    if len(call.seen.body) > _PAYLOAD_MAX_BYTES:
        raise Problem(413, "FunctionInvokeRequestContentTooLarge", "Request content too large")
    call_id = uuid.uuid4().hex.upper()
    if call.seen.headers.get("is-dry-run") == "true":
        return Response(status_code=200, headers={"Fn-Call-Id": call_id})
    given = {
        name: value
        for name, value in call.seen.headers.items()
        if name in ("content-type", "fn-intent") or name.startswith("nbfn-")
    }
    given["fn-call-id"] = call_id
    fleet, cloud, body = call.cloud.fleet, call.cloud, call.seen.body
    if call.seen.headers.get("fn-invoke-type") == "detached":
        ended, done = cloud.detached, cloud.detached_done  # those of this test, whenever it ends

        def run() -> None:
            try:
                status = fleet.call(app, fn, body, given).status
            except Problem as problem:
                status = problem.status
            ended.append((fn.document["displayName"], status))
            done.release()

        threading.Thread(target=run, daemon=True).start()
        return Response(status_code=202, headers={"Fn-Call-Id": call_id})
    with cloud.watch.call(app, fn, call_id) as seen:
        reply = fleet.call(app, fn, body, given)
        seen.output = fleet.written(fn)
    headers = {name: value for name, value in reply.headers.items() if name not in _HOP}
    return Response(reply.body, reply.status, {**headers, "Fn-Call-Id": call_id})


_ROUTES: list[tuple[str, str, str, Callable[[Call], Response]]] = [
    ("GET", "applications", "ListApp", lambda c: c.summaries(c.store.apps, "compartmentId")),
    ("POST", "applications", "CreateApp", _create_app),
    ("GET", "applications/([^/]+)", "GetApp", lambda c: c.full(c.thing(c.store.apps))),
    ("PUT", "applications/([^/]+)", "UpdateApp", _update("APPLICATION")),
    ("DELETE", "applications/([^/]+)", "DeleteApp", _delete("APPLICATION")),
    ("GET", "functions", "ListFunctions", lambda c: c.summaries(c.store.fns, "applicationId")),
    ("POST", "functions", "CreateFunction", _create_fn),
    ("GET", "functions/([^/]+)", "GetFunction", lambda c: c.full(c.thing(c.store.fns))),
    ("PUT", "functions/([^/]+)", "UpdateFunction", _update("FUNCTION")),
    ("DELETE", "functions/([^/]+)", "DeleteFunction", _delete("FUNCTION")),
    ("POST", "functions/([^/]+)/actions/invoke", "InvokeFunction", _invoke),
    ("GET", "workRequests/([^/]+)", "WorkRequest", _work),
    ("GET", "workRequests/([^/]+)/errors", "WorkRequestErrors", _work_errors),
]


def _json(status: int, document: object, **headers: str) -> Response:
    if document is None:
        return Response(None, status, dict(headers))
    return Response(json.dumps(document), status, dict(headers), media_type="application/json")


def serve(cloud: Cloud) -> Iterator[Cloud]:
    """Listen on loopback until the generator is closed."""

    async def handle(request: Request) -> Response:
        raw = request.scope["raw_path"].decode()
        query = request.scope["query_string"].decode()
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(request.method, raw + (f"?{query}" if query else ""), headers, await request.body())
        cloud.requests.append(seen)
        response = await anyio.to_thread.run_sync(cloud.answer, seen)
        response.headers["date"] = email.utils.formatdate(time.time() + cloud.clock_offset_s, usegmt=True)
        return response

    methods = ["GET", "HEAD", "POST", "PUT", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", handle, methods=methods)])
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", lifespan="off", ws="none", date_header=False
    )
    server = uvicorn.Server(config)
    sock = config.bind_socket()
    cloud.store.endpoint = f"http://127.0.0.1:{sock.getsockname()[1]}"
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        yield cloud
    finally:
        server.should_exit = True
        thread.join()
        sock.close()
        cloud.fleet.close()
