"""Does what the scheduler decides: starts and stops instances through the driver, and runs calls on them."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING

from nbfn.errors import NbfnError
from nbfn.executor import answers
from nbfn.executor.calls import Started
from nbfn.executor.exposition import Census
from nbfn.executor.ids import Recent, deadline, new_id
from nbfn.executor.output import Output
from nbfn.executor.records import KEPT_CALLS, LogRecord
from nbfn.executor.run import Run
from nbfn.executor.syslogline import Source
from nbfn.executor.worker import StartFailure, Worker
from nbfn.scale import Scale
from nbfn.schedule.orders import Assign, Order, Reject, Start, Stop
from nbfn.schedule.scheduler import Scheduler
from nbfn.schedule.state import Bounds

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from nbfn.drivers.base import Driver
    from nbfn.executor.answers import Response
    from nbfn.executor.calls import Call
    from nbfn.executor.events import Events
    from nbfn.executor.metrics import Metrics
    from nbfn.executor.records import CallRecord, Recorder
    from nbfn.executor.revision import Revision
    from nbfn.executor.syslog import Syslog
    from nbfn.schedule.orders import StopWhy
    from nbfn.spec import ColdReason, ImageRef

log = logging.getLogger(__name__)

_TICK_S = 0.25
_ANY_NUMBER = Scale()
CLIENT_GONE = 444  # what Fn calls a caller that hung up


class Pool:
    """All instances and all calls. Used from one event loop; ``close`` it."""

    def __init__(
        self,
        driver: Driver,
        events: Events,
        recorder: Recorder,
        memory_mb: int,
        metrics: Metrics,
        syslog: Syslog,
    ) -> None:
        self._driver = driver
        self._events = events
        self._recorder = recorder
        self._metrics = metrics
        self._syslog = syslog
        self._scheduler: Scheduler[Revision] = Scheduler(memory_mb, new_id)
        self._revisions: dict[str, Revision] = {}
        self._workers: dict[str, Worker] = {}
        self._calls: dict[str, Call] = {}
        self.call_ids = Recent(KEPT_CALLS)
        """Of calls, those that are over among them."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._preparing: set[asyncio.Task[None]] = set()
        self._no_calls = asyncio.Event()
        self._no_calls.set()
        self._loop = asyncio.get_running_loop()
        self._ticker: asyncio.TimerHandle | None = None
        self._deadline = (0, b"")
        self.last_call = 0.0
        """When the last call ended (monotonic seconds)."""
        self.cut_off = 0
        """Calls that were ended because the executor stops."""
        self.closed = asyncio.Event()

    # What is asked

    @property
    def memory_mb(self) -> int:
        return self._scheduler.memory_mb

    @property
    def calls(self) -> int:
        """Calls that wait or run."""
        return len(self._calls)

    @property
    def instances(self) -> int:
        return len(self._workers)

    def revision(self, fn_id: str) -> Revision | None:
        """What a call of this function runs now."""
        return self._revisions.get(fn_id)

    def describe(self, fn_id: str) -> list[dict[str, object]]:
        """The instances of one function (``docs/wire.md`` §3)."""
        found: list[dict[str, object]] = []
        for seen in self._scheduler.instances(fn_id):
            worker = self._workers[seen.id]
            found.append(
                {
                    "id": seen.id,
                    "state": seen.state,
                    "started_at": worker.started_at,
                    "calls": worker.calls,
                    "memory_bytes": worker.memory_bytes,
                }
            )
        return found

    def census(self) -> Census:
        """What is there at this moment, for the metrics."""
        found = Census(memory_mb=self._scheduler.memory_mb, used_mb=self._scheduler.used_mb)
        for call in self._calls.values():
            (found.running if call.instance_id else found.queued)[call.revision.fn_id] += 1
        for seen in self._scheduler.instances():
            found.instances[seen.fn_id, seen.state] += 1
        return found

    # Functions

    def deploy(
        self,
        revision: Revision,
        *,
        scale: Scale = _ANY_NUMBER,
        reason: ColdReason = "first-call",
        prepare: bool = True,
    ) -> None:
        """The next call of this function runs this."""
        self._revisions[revision.fn_id] = revision
        self._metrics.deployed(revision)
        self._apply(self._scheduler.deploy(revision, time.monotonic(), scale=scale, reason=reason))
        if prepare:
            task = self.spawn(self._prepare(revision))
            self._preparing.add(task)
            task.add_done_callback(self._preparing.discard)

    def remove(self, fn_id: str) -> None:
        """There is no such function any more."""
        self._revisions.pop(fn_id, None)
        self._metrics.removed(fn_id)
        self._apply(self._scheduler.remove(fn_id))

    def stop(self, fn_id: str) -> None:
        """Stop its instances, those that are busy after their call."""
        self._apply(self._scheduler.stop(fn_id, time.monotonic()))

    async def prepare(self, image: ImageRef) -> None:
        """Make sure that it can be started. Raises StartFailed."""
        await self._driver.prepare(image)

    async def _prepare(self, revision: Revision) -> None:
        def tell(what: str, done: int, total: int) -> None:
            data = {"what": what, "done": done, "total": total}
            self._events.emit("image.progress", revision.fn_id, data=data)

        try:
            await self._driver.prepare(revision.image, tell)
        except NbfnError as error:
            # The first call says it to somebody who can act on it.
            log.info("%s is not ready to start: %s", revision.image, error)
            tell("failed", 0, 0)

    # Calls

    def submit(self, call: Call) -> None:
        """Run it: ``call.caller`` gets the answer, whatever happens."""
        self._calls[call.id] = call
        self.call_ids.add(call.id)
        self._no_calls.clear()
        self._events.emit("call.queued", call.revision.fn_id, "", call.id)
        self._apply(self._scheduler.arrive(call.id, call.revision.fn_id, call.arrived))

    def call(self, call_id: str) -> Call | None:
        """A call that waits or runs."""
        return self._calls.get(call_id)

    def calls_of(self, fn_id: str) -> list[Call]:
        """Those of one function that wait or run, newest first."""
        return [call for call in reversed(self._calls.values()) if call.revision.fn_id == fn_id]

    def cancel(self, call: Call, why: str = "the caller went away") -> None:
        """End it: an instance that runs it is stopped."""
        self.finish(call, answers.failure(CLIENT_GONE, why), stop="cancelled")

    def _apply(self, orders: Sequence[Order[Revision]]) -> None:
        for order in orders:
            if isinstance(order, Assign):
                self._assign(self._calls[order.call_id], self._workers[order.instance_id], order.reason)
            elif isinstance(order, Start):
                self._start(order)
            elif isinstance(order, Stop):
                self._stop(order)
            else:
                self._reject(order)
        if self._ticker is None and not self._scheduler.quiet:
            self._ticker = self._loop.call_later(_TICK_S, self._tick)

    def _tick(self) -> None:
        self._ticker = None
        now = time.monotonic()
        for call in [call for call in self._calls.values() if call.expires <= now]:
            self.finish(call, answers.timed_out(call.revision.limits.timeout_s), stop="timeout")
        self._apply(self._scheduler.tick(now))

    def _assign(self, call: Call, worker: Worker, reason: str) -> None:
        now = time.monotonic()
        call.revision = worker.order.revision  # it may be newer than the call
        call.assigned, call.instance_id, call.reason = now, worker.id, reason
        call.expires = now + call.revision.limits.timeout_s
        if reason:
            call.start_s = max(0.0, worker.ready - max(worker.requested, call.arrived))
        worker.call = call
        worker.output.begin(call.id)
        Run(self, call, worker).begin()
        # The request leaves at the end of this turn of the loop: what is told of it can wait for the next.
        call.untold = True
        self._loop.call_soon(self._tell_start, call, worker.id)

    def _tell_start(self, call: Call, instance_id: str) -> None:
        if not call.untold:
            return
        call.untold = False
        fn_id = call.revision.fn_id
        self._events.emit("instance.busy", fn_id, instance_id, call.id)
        self._events.emit("call.started", fn_id, instance_id, call.id, Started.of(call))

    def give_back(self, call: Call) -> None:
        """Its instance could not be reached, and saw nothing of it: it waits again, once."""
        if (worker := self._workers.get(call.instance_id)) is not None:
            worker.call = None
        self._tell_start(call, call.instance_id)
        call.expires = math.inf
        call.bounced, call.instance_id, call.reason, call.start_s = True, "", "", 0.0
        self._apply(self._scheduler.returned(call.id, time.monotonic()))

    def deadline_in(self, timeout_s: int) -> bytes:
        """As ``Fn-Deadline`` says it."""
        at = int(time.time() + timeout_s)
        if self._deadline[0] != at:
            self._deadline = at, deadline(at).encode()
        return self._deadline[1]

    def _reject(self, order: Reject) -> None:
        call = self._calls[order.call_id]
        response = answers.failure(
            order.status, order.message, retry_after_s=order.retry_after_s, hint=order.hint
        )
        self.finish(call, response)

    def finish(
        self, call: Call, response: Response, *, stop: StopWhy | None = None, body: list[bytes] | None = None
    ) -> None:
        """The call is over: tell its caller, the record, the readers of events and the scheduler.

        ``body`` is the end of an answer that has begun.
        """
        if call.over:
            return
        call.over = True
        self.last_call = now = time.monotonic()
        call.body.throw_away()
        if call.memory is not None:
            call.memory.close()
        if call.began is None:
            call.caller.begin(call, response, last=True)
        elif call.began is response:
            call.caller.more(body or [], last=True)
        else:
            call.caller.broken()
            response = answers.broken_off(response)
        del self._calls[call.id]
        if not self._calls:
            self._no_calls.set()
        worker = self._workers.get(call.instance_id)
        if worker is not None and worker.call is call:
            worker.call = None
            worker.calls += 1
            worker.spent(self._metrics.of(worker.fn_id), now, call)
            worker.output.begin("")
            if stop is not None:
                worker.drop_connection()
        record = call.record(response, now)
        if stop is None:  # the answer leaves first, as the request did
            self._loop.call_soon(self._tell_end, call, record, worker, now)
            self._apply(self._scheduler.completed(call.id, now))
            return
        self._tell_end(call, record, None, now)
        if stop == "cancelled":
            self._apply(self._scheduler.cancelled(call.id, now))
        else:
            self._apply(self._scheduler.completed(call.id, now, stop=stop))

    def _tell_end(self, call: Call, record: CallRecord, worker: Worker | None, now: float) -> None:
        if call.untold:
            self._tell_start(call, record.instance_id)
        self._events.emit("call.finished", record.fn_id, record.instance_id, record.id, record)
        self._recorder.call(record)
        self._metrics.ended(record)
        if worker is not None:
            worker.idle_since = now
            self._events.emit("instance.idle", record.fn_id, record.instance_id)

    # Instances

    def _start(self, order: Start[Revision]) -> None:
        fn_id, instance_id = order.revision.fn_id, order.instance_id
        source = Source(order.revision.env.get("FN_APP_ID", ""), fn_id, instance_id, order.revision.app_name)
        to_syslog = self._syslog.output(source, lambda: self._revisions.get(fn_id, order.revision).syslog_url)

        def keep(stream: str, text: str, call_id: str) -> None:
            self._events.emit("log", fn_id, instance_id, call_id, {"stream": stream, "text": text}, len(text))
            self._recorder.log(LogRecord(fn_id, time.time(), stream, text, call_id, instance_id))
            to_syslog.write(stream, text, call_id)

        self._metrics.of(fn_id).cold_starts[order.reason] += 1
        worker = Worker(order, Output(keep))
        self._workers[instance_id] = worker
        self._events.emit("instance.starting", fn_id, instance_id, "", {"reason": order.reason})
        self.spawn(worker.live(self._driver, self._ready, self._ended))

    def _ready(self, worker: Worker) -> None:
        took_ms = round((worker.ready - worker.requested) * 1000, 3)
        self._metrics.of(worker.fn_id).start.observe(worker.ready - worker.requested)
        self._events.emit("instance.ready", worker.fn_id, worker.id, "", {"start_ms": took_ms})
        self._apply(self._scheduler.ready(worker.id, worker.ready))
        if worker.call is None:
            worker.idle_since = worker.ready
            self._events.emit("instance.idle", worker.fn_id, worker.id)

    def _ended(self, worker: Worker, failure: StartFailure | None) -> None:
        end, now = worker.exit, time.monotonic()
        del self._workers[worker.id]
        data = {"cause": end.cause, "out_of_memory": end.out_of_memory} if end is not None else {}
        self._events.emit("instance.stopped", worker.fn_id, worker.id, "", data)
        if failure is not None:
            said = (failure.status, failure.message, now, failure.hint)
            self._apply(self._scheduler.failed(worker.id, *said))
        else:
            self._apply(self._scheduler.gone(worker.id, now))

    def _stop(self, order: Stop) -> None:
        worker = self._workers[order.instance_id]
        self._events.emit("instance.stopping", worker.fn_id, worker.id, "", {"why": order.why})
        worker.stopping(self._metrics.of(worker.fn_id), order.why)
        self.spawn(worker.stop())

    # Life

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run it; the pool is not closed before it has ended."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the pool failed", exc_info=error)

    async def no_calls(self) -> None:
        """Returns when nothing waits or runs."""
        await self._no_calls.wait()

    def give_up(self) -> None:
        """End every call now, without its answer."""
        for call in list(self._calls.values()):
            self.cut_off += 1
            message = "Timed out - server too busy: the executor stopped before the call was done"
            response = answers.failure(503, message, retry_after_s=Bounds().retry_after_s)
            self.finish(call, response, stop="shutdown")

    async def close(self, grace_s: float | None) -> None:
        """Let calls finish for ``grace_s`` seconds, then stop every instance; nothing is left.

        None is for as long as the calls' own timeouts let them run.
        """
        self._apply(self._scheduler.shutdown())
        try:
            async with asyncio.timeout(grace_s):
                await self.no_calls()
        except TimeoutError:
            self.give_up()
        for task in self._preparing:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._ticker is not None:
            self._ticker.cancel()
        await self._driver.close()
        self.closed.set()
