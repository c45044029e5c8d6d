"""Does what the scheduler decides: starts and stops instances through the driver, and runs calls on them."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from nbfn.errors import NbfnError
from nbfn.executor import answers
from nbfn.executor.hop import Answer, Connection, HopFailed
from nbfn.executor.ids import deadline, new_id
from nbfn.executor.orders import Assign, Order, Reject, Start, Stop
from nbfn.executor.output import Output
from nbfn.executor.records import CallRecord, LogRecord
from nbfn.executor.scheduler import Scheduler
from nbfn.executor.worker import StartFailure, Worker

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from nbfn.drivers.base import Driver
    from nbfn.executor.answers import Response
    from nbfn.executor.calls import Call
    from nbfn.executor.events import Events
    from nbfn.executor.orders import StopWhy
    from nbfn.executor.records import Recorder
    from nbfn.executor.revision import Revision
    from nbfn.spec import ColdReason

log = logging.getLogger(__name__)

_TICK_S = 0.25
_EXIT_WAIT_S = 2.0
CLIENT_GONE = 444  # what Fn calls a caller that hung up


class Pool:
    """All instances and all calls. Used from one event loop; ``close`` it."""

    def __init__(self, driver: Driver, events: Events, recorder: Recorder, memory_mb: int) -> None:
        self._driver = driver
        self._events = events
        self._recorder = recorder
        self._scheduler = Scheduler(memory_mb, new_id)
        self._revisions: dict[str, Revision] = {}
        self._workers: dict[str, Worker] = {}
        self._calls: dict[str, Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._preparing: set[asyncio.Task[None]] = set()
        self._no_calls = asyncio.Event()
        self._no_calls.set()
        self._loop = asyncio.get_running_loop()
        self._ticker: asyncio.TimerHandle | None = None
        self._deadline = (0, b"")
        self.last_call = 0.0
        """When the last call ended (monotonic seconds)."""

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

    # Functions

    def deploy(self, revision: Revision, *, reason: ColdReason = "first-call", prepare: bool = True) -> None:
        """The next call of this function runs this."""
        self._revisions[revision.fn_id] = revision
        self._apply(self._scheduler.deploy(revision, time.monotonic(), reason=reason))
        if prepare:
            task = self._spawn(self._prepare(revision))
            self._preparing.add(task)
            task.add_done_callback(self._preparing.discard)

    def remove(self, fn_id: str) -> None:
        """There is no such function any more."""
        self._revisions.pop(fn_id, None)
        self._apply(self._scheduler.remove(fn_id))

    async def _prepare(self, revision: Revision) -> None:
        try:
            await self._driver.prepare(revision.image)
        except NbfnError as error:
            # The first call says it to somebody who can act on it.
            log.info("%s is not ready to start: %s", revision.image, error)

    # Calls

    def submit(self, call: Call) -> None:
        """Run it: ``call.done`` gets the response, whatever happens."""
        self._calls[call.id] = call
        self._no_calls.clear()
        self._events.emit("call.queued", call.revision.fn_id, "", call.id)
        self._apply(self._scheduler.arrive(call.id, call.revision.fn_id, call.arrived))

    def call(self, call_id: str) -> Call | None:
        """A call that waits or runs."""
        return self._calls.get(call_id)

    def cancel(self, call: Call, why: str = "the caller went away") -> None:
        """End it: an instance that runs it is stopped."""
        self._finish(call, answers.failure(CLIENT_GONE, why), stop="cancelled")

    def _apply(self, orders: Sequence[Order]) -> None:
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
        self._apply(self._scheduler.tick(time.monotonic()))

    def _assign(self, call: Call, worker: Worker, reason: str) -> None:
        now = time.monotonic()
        call.revision = worker.order.revision  # it may be newer than the call
        call.assigned, call.instance_id, call.reason = now, worker.id, reason
        if reason:
            call.start_s = max(0.0, worker.ready - max(worker.requested, call.arrived))
        worker.call = call
        worker.output.begin(call.id)
        call.timer = self._loop.call_later(call.revision.limits.timeout_s, self._expire, call)
        connection = worker.connection
        if connection is not None:
            self._send(call, worker, connection)
        else:
            self._spawn(self._dial(call, worker))
        fn_id, instance_id = call.revision.fn_id, call.instance_id
        self._events.emit("instance.busy", fn_id, instance_id, call.id)
        data = {
            "start": call.start,
            "reason": reason,
            "queue_ms": round((now - call.arrived - call.start_s) * 1000, 3),
            "start_ms": round(call.start_s * 1000, 3),
        }
        self._events.emit("call.started", fn_id, instance_id, call.id, data)

    async def _dial(self, call: Call, worker: Worker) -> None:
        try:
            connection = await worker.connect()
        except OSError as error:
            await self._unreachable(call, worker, error)
            return
        if call.over or worker.call is not call:
            connection.close()
        else:
            self._send(call, worker, connection)

    async def _unreachable(self, call: Call, worker: Worker, error: OSError) -> None:
        """Nothing was sent, so the call may safely go to another instance; but only once."""
        if call.over:
            return
        if call.bounced:
            await self._lost(call, worker, HopFailed(f"its socket cannot be reached: {error}", closed=True))
            return
        if call.timer is not None:
            call.timer.cancel()
        call.bounced, call.instance_id, call.reason, call.start_s = True, "", "", 0.0
        worker.call = None
        self._apply(self._scheduler.returned(call.id, time.monotonic()))

    def _send(self, call: Call, worker: Worker, connection: Connection) -> None:
        head = call.head(self._deadline_in(call.revision.limits.timeout_s))
        connection.send(head, call.body, lambda outcome: self._answered(call, worker, outcome))

    def _deadline_in(self, timeout_s: int) -> bytes:
        at = int(time.time() + timeout_s)
        if self._deadline[0] != at:
            self._deadline = at, deadline(at).encode()
        return self._deadline[1]

    def _answered(self, call: Call, worker: Worker, outcome: Answer | HopFailed) -> None:
        if call.over:
            return
        if isinstance(outcome, HopFailed):
            self._spawn(self._lost(call, worker, outcome))
            return
        response, stop = answers.response_to(outcome)
        written = _output_bytes(response)
        if written == 0:
            self._finish(call, response, stop=stop)
        else:
            self._spawn(self._drain(call, worker, response, stop, written))

    async def _drain(
        self, call: Call, worker: Worker, response: Response, stop: StopWhy | None, written: int
    ) -> None:
        await worker.output.drained(written)
        self._finish(call, response, stop=stop)

    async def _lost(self, call: Call, worker: Worker, failure: HopFailed) -> None:
        """No answer: the way in which the instance ended says more, and is known in a moment."""
        if call.timer is not None:
            call.timer.cancel()
        if failure.closed:
            try:
                async with asyncio.timeout(_EXIT_WAIT_S):
                    await worker.ended.wait()
            except TimeoutError:
                pass
        stop: StopWhy = "crashed" if failure.closed else "invalid-response"
        self._finish(call, answers.lost(str(failure), worker.exit), stop=stop)

    def _expire(self, call: Call) -> None:
        self._finish(call, answers.timed_out(call.revision.limits.timeout_s), stop="timeout")

    def _reject(self, order: Reject) -> None:
        call = self._calls[order.call_id]
        response = answers.failure(order.status, order.message, retry_after_s=order.retry_after_s)
        self._finish(call, response)

    def _finish(self, call: Call, response: Response, *, stop: StopWhy | None = None) -> None:
        """The call is over: tell its caller, the record, the readers of events and the scheduler."""
        if call.over:
            return
        call.over = True
        if call.timer is not None:
            call.timer.cancel()
        self.last_call = now = time.monotonic()
        timings_ms = call.timings_ms(response.told, now)
        response.headers += call.told(timings_ms)
        if not call.done.done():
            call.done.set_result(response)
        del self._calls[call.id]
        if not self._calls:
            self._no_calls.set()
        fn_id, start = call.revision.fn_id, call.start
        data = {
            "status": response.status,
            "message": response.message,
            "start": start,
            "reason": call.reason,
            "timings_ms": timings_ms,
        }
        self._events.emit("call.finished", fn_id, call.instance_id, call.id, data)
        self._recorder.call(
            CallRecord(
                call.id,
                fn_id,
                call.instance_id,
                start,
                call.reason,
                response.status,
                response.message,
                call.queued_at,
                timings_ms.get("queue"),
                timings_ms.get("start"),
                timings_ms.get("import"),
                timings_ms.get("run"),
                timings_ms.get("total"),
            )
        )
        worker = self._workers.get(call.instance_id)
        if worker is not None and worker.call is call:
            self._release(worker, stop)
        if stop == "cancelled":
            self._apply(self._scheduler.cancelled(call.id, now))
        else:
            self._apply(self._scheduler.completed(call.id, now, stop=stop))

    def _release(self, worker: Worker, stop: StopWhy | None) -> None:
        worker.call = None
        worker.calls += 1
        worker.output.begin("")
        if stop is None:
            self._events.emit("instance.idle", worker.fn_id, worker.id)
        else:
            worker.drop_connection()

    # Instances

    def _start(self, order: Start) -> None:
        fn_id, instance_id = order.revision.fn_id, order.instance_id

        def keep(stream: str, text: str, call_id: str) -> None:
            self._events.emit("log", fn_id, instance_id, call_id, {"stream": stream, "text": text})
            self._recorder.log(LogRecord(fn_id, time.time(), stream, text, call_id, instance_id))

        worker = Worker(order, Output(keep))
        self._workers[instance_id] = worker
        self._events.emit("instance.starting", fn_id, instance_id, "", {"reason": order.reason})
        self._spawn(worker.live(self._driver, self._ready, self._ended))

    def _ready(self, worker: Worker) -> None:
        took_ms = round((worker.ready - worker.requested) * 1000, 3)
        self._events.emit("instance.ready", worker.fn_id, worker.id, "", {"start_ms": took_ms})
        self._apply(self._scheduler.ready(worker.id, worker.ready))
        if worker.call is None:
            self._events.emit("instance.idle", worker.fn_id, worker.id)

    def _ended(self, worker: Worker, failure: StartFailure | None) -> None:
        end = worker.exit
        del self._workers[worker.id]
        data = {"cause": end.cause, "out_of_memory": end.out_of_memory} if end is not None else {}
        self._events.emit("instance.stopped", worker.fn_id, worker.id, "", data)
        if failure is not None:
            self._apply(self._scheduler.failed(worker.id, failure.status, failure.message))
        else:
            self._apply(self._scheduler.gone(worker.id))

    def _stop(self, order: Stop) -> None:
        worker = self._workers[order.instance_id]
        self._events.emit("instance.stopping", worker.fn_id, worker.id, "", {"why": order.why})
        self._spawn(worker.stop())

    # Life

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
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
            message = "Timed out - server too busy: the executor stopped before the call was done"
            self._finish(call, answers.failure(503, message), stop="shutdown")

    async def close(self, grace_s: float) -> None:
        """Let calls finish for ``grace_s`` seconds, then stop every instance; nothing is left."""
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


def _output_bytes(response: Response) -> int:
    """How much the call wrote as far as its runtime tells: 0 nothing, -1 it does not tell."""
    if b"nbfn-runtime" not in response.told:
        return -1
    tail = response.told.get(b"nbfn-output")
    if tail is None:
        return 0
    cut = response.told.get(b"nbfn-output-cut", b"0")
    return len(tail) * 3 // 4 - tail.count(b"=") + (int(cut) if cut.isdigit() else 0)
