"""What Fn does not tell: ``/nbfn/v1`` (``docs/wire.md`` §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from nbfn.errors import NotFound, TargetError
from nbfn.executor import fields
from nbfn.executor.calltimeline import steps
from nbfn.executor.exposition import CONTENT_TYPE, exposition
from nbfn.executor.openapi import description
from nbfn.executor.paging import CallPlace, foreign, page, place
from nbfn.executor.records import KILLED, LogRecord
from nbfn.executor.replies import count, nothing, read_body, reply, route
from nbfn.executor.revisions import documents
from nbfn.executor.streams import EventStream, LeaseStream

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from nbfn.executor.calls import Call
    from nbfn.executor.catalog import Catalog
    from nbfn.executor.detached import Results
    from nbfn.executor.events import Events
    from nbfn.executor.metrics import Metrics
    from nbfn.executor.pool import Pool
    from nbfn.executor.records import CallRecord, Recorder
    from nbfn.executor.streams import Leases

_PER_PAGE, _PER_PAGE_MAX = 30, 1000
_LOGS, _LOGS_MAX = 1000, 10_000


class OwnApi:
    """Handlers over what the executor is doing.

    ``stop`` is asked to end it: calls within so many seconds, or (None) their own timeouts.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        pool: Pool,
        events: Events,
        recorder: Recorder,
        leases: Leases,
        results: Results,
        metrics: Metrics,
        info: Mapping[str, object],
        stop: Callable[[float | None], None],
        stopping: asyncio.Event,
    ) -> None:
        self._catalog = catalog
        self._pool = pool
        self._events = events
        self._recorder = recorder
        self._leases = leases
        self._results = results
        self._metrics = metrics
        self._info = info
        self._stop = stop
        self._stopping = stopping

    def routes(self) -> list[Route]:
        return [
            route("/metrics", GET=self.metrics),
            route("/nbfn/v1/openapi.json", GET=self.openapi),
            route("/nbfn/v1/info", GET=self.info),
            Route("/nbfn/v1/lease", LeaseStream(self._leases, self._stopping), methods=["GET"]),
            Route("/nbfn/v1/events", EventStream(self._events, self._stopping), methods=["GET"]),
            route("/nbfn/v1/fns/{fn_id}/instances", GET=self.instances, DELETE=self.stop_instances),
            route("/nbfn/v1/fns/{fn_id}/calls", GET=self.calls),
            route("/nbfn/v1/fns/{fn_id}/logs", GET=self.logs),
            route("/nbfn/v1/fns/{fn_id}/revisions", GET=self.revisions),
            route("/nbfn/v1/fns/{fn_id}/rollback", POST=self.roll_back),
            route("/nbfn/v1/images", GET=self.images),
            route("/nbfn/v1/calls/{call_id}", GET=self.call, DELETE=self.cancel),
            route("/nbfn/v1/calls/{call_id}/timeline", GET=self.timeline),
            route("/nbfn/v1/calls/{call_id}/result", GET=self.result),
            route("/nbfn/v1/stop", POST=self.stop),
        ]

    async def info(self, _: Request) -> Response:
        pool = self._pool
        now = {
            "leases": self._leases.open,
            "instances": pool.instances,
            "calls": pool.census().running.total(),
        }
        return reply({**self._info, **now})

    async def openapi(self, _: Request) -> Response:
        return reply(description())

    async def metrics(self, _: Request) -> Response:
        text = exposition(self._metrics, self._pool.census())
        return Response(text, headers={"content-type": CONTENT_TYPE})

    async def instances(self, request: Request) -> Response:
        fn_id = request.path_params["fn_id"]
        self._catalog.require(fn_id)
        return reply({"items": self._pool.describe(fn_id)})

    async def stop_instances(self, request: Request) -> Response:
        """The function stays, and the next call of it is a cold one."""
        fn_id = request.path_params["fn_id"]
        self._catalog.require(fn_id)
        self._pool.stop(fn_id)
        return nothing()

    async def calls(self, request: Request) -> Response:
        """A page: those that wait or run, then those that are over, each newest first."""
        fn_id, limit = request.path_params["fn_id"], count(request, "per_page", _PER_PAGE, _PER_PAGE_MAX)
        self._catalog.require(fn_id)
        try:
            ended = CallPlace.parse(place(request))
        except ValueError:
            raise foreign(request) from None
        live = ended.open_calls(self._pool.calls_of(fn_id))[:limit]
        await self._recorder.flush()
        over = await self._catalog.read(lambda store: store.calls(fn_id, limit - len(live), ended.over))
        end = ""
        if len(live) + len(over) == limit:
            end = str(CallPlace(None, over[-1].id) if over else CallPlace(live[-1].queued_at, live[-1].id))
        calls: list[Call | CallRecord] = [*live, *over]
        told = {call.id: call.document() for call in calls}  # one may have ended since it was live
        return page(list(told.values()), end)

    async def call(self, request: Request) -> Response:
        call_id = request.path_params["call_id"]
        return reply(await self._told(call_id))

    async def timeline(self, request: Request) -> Response:
        """One call with what happened in it, its output among that."""
        call_id = request.path_params["call_id"]
        call = await self._told(call_id)
        await self._recorder.flush()
        fn_id = str(call["fn_id"])
        logs = await self._catalog.read(lambda store: store.logs(fn_id, call_id, _LOGS_MAX))
        return reply({"call": call, "items": steps(call, logs)})

    async def _told(self, call_id: str) -> dict[str, object]:
        """A call that waits, runs or is over. Raises NotFound."""
        running, result = self._pool.call(call_id), self._results.get(call_id)
        if running is not None:
            told = running.document()
        else:
            await self._recorder.flush()
            told = (await self._catalog.read(lambda store: store.call(call_id))).document()
        return told if result is None else {**told, "result": result.document()}

    async def result(self, request: Request) -> Response:
        """What a detached call answered, as whoever had waited for it would have got it."""
        call_id = request.path_params["call_id"]
        result = self._results.get(call_id)
        if result is None:
            if (await self._told(call_id))["message"] == KILLED:
                return reply({"message": KILLED}, 503)
            raise NotFound("no result is kept of this call: it was not detached, or is too old", status=404)
        if not result.complete:
            return reply({"message": "the call is not done"}, 202)
        headers = {"content-type": result.content_type} if result.content_type else {}
        if result.size > len(result.body):
            headers["nbfn-result-cut"] = str(result.size - len(result.body))
        return Response(bytes(result.body), result.status, headers)

    async def cancel(self, request: Request) -> Response:
        call_id = request.path_params["call_id"]
        running = self._pool.call(call_id)
        if running is None:
            raise NotFound(f"no call {call_id} is running", status=404)
        self._pool.cancel(running, "the call was cancelled")
        return nothing()

    async def logs(self, request: Request) -> Response:
        fn_id, limit = request.path_params["fn_id"], count(request, "limit", _LOGS, _LOGS_MAX)
        self._catalog.require(fn_id)
        call_id = request.query_params.get("call_id", "")
        await self._recorder.flush()
        lines = await self._catalog.read(lambda store: store.logs(fn_id, call_id, limit))
        told = [field for field in LogRecord._fields if field != "fn_id"]
        return reply({"items": [{field: getattr(line, field) for field in told} for line in lines]})

    async def revisions(self, request: Request) -> Response:
        fn_id = request.path_params["fn_id"]
        self._catalog.require(fn_id)
        kept = await self._catalog.read(lambda store: store.revisions(fn_id))
        return reply({"items": documents(kept)})

    async def roll_back(self, request: Request) -> Response:
        """Answers with the revision that runs now. Asked twice, it changes nothing the second time."""
        body, wanted = await read_body(request), 'send {"revision": NUMBER}'
        try:
            number = fields.number(fields.read_document(body), "revision")
        except TargetError as error:
            raise TargetError(f"{error.message}: {wanted}", status=400) from None
        if number < 1:
            raise TargetError(f"Missing revision: {wanted}", status=400)
        kept = await self._catalog.roll_back(request.path_params["fn_id"], number)
        return reply(documents(kept)[0])

    async def images(self, _: Request) -> Response:
        """What functions and their revisions need of the store of images."""
        images = await self._catalog.read(lambda store: store.images())
        return reply({"items": [{"image": image, "digest": digest} for image, digest in images]})

    async def stop(self, request: Request) -> Response:
        """With ``wait=true`` it answers once all calls are over, and how many were cut off."""
        text, wait = request.query_params.get("grace_s"), request.query_params.get("wait", "false")
        grace_s: float | None = None
        if text is not None:
            try:
                grace_s = float(text)
            except ValueError:
                grace_s = -1.0
            if not 0 <= grace_s <= 3600:
                raise TargetError(f"grace_s is {text!r}: use seconds from 0 to 3600", status=400)
        if wait not in ("true", "false"):
            raise TargetError(f"wait is {wait!r}: use true or false", status=400)
        self._stop(grace_s)
        if wait == "false":
            return reply({"message": "stopping"}, 202)
        await self._pool.closed.wait()
        return reply({"message": "stopped", "cut_off": self._pool.cut_off}, 202)
