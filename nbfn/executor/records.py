"""What is kept of calls and their output: gathered in memory, written in batches off the call's path."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

from nbfn.errors import StateError

if TYPE_CHECKING:
    from nbfn.executor.metrics import Metrics
    from nbfn.executor.store import StoreThread

log = logging.getLogger(__name__)

KEPT_CALLS = 20_000
KILLED = "the executor was killed before the call was done"
"""The message of a detached call that was acknowledged and not finished when the executor began anew."""
_FLUSH_AFTER_S = 0.25
_PENDING_MAX, _PENDING_CHARS = 20_000, 16 << 20


class CallRecord(NamedTuple):
    """One call that is over; with status 0 a detached one that is not. ``queued_at``: since the epoch."""

    id: str
    fn_id: str
    instance_id: str
    start: str
    reason: str
    status: int
    message: str
    queued_at: float
    queue_ms: float | None
    start_ms: float | None
    import_ms: float | None
    run_ms: float | None
    total_ms: float | None

    @classmethod
    def opened(cls, call_id: str, fn_id: str, queued_at: float) -> CallRecord:
        """Of a detached call that begins: whoever is told of it finds it, even if the executor is killed."""
        return cls(call_id, fn_id, "", "", "", 0, "", queued_at, None, None, None, None, None)

    def document(self) -> dict[str, object]:
        """As ``/nbfn/v1`` tells it."""
        stages = zip(("queue", "start", "import", "run", "total"), self[8:], strict=True)
        timings_ms = {stage: round(took, 3) for stage, took in stages if took is not None}
        return {**dict(zip(self._fields[:8], self[:8], strict=True)), "timings_ms": timings_ms}

    def told(self) -> dict[str, object]:
        """As the event of its end tells it."""
        document = self.document()
        return {name: document[name] for name in ("status", "message", "start", "reason", "timings_ms")}


class LogRecord(NamedTuple):
    """One piece of output. ``call_id`` is empty if it was written outside a call."""

    fn_id: str
    at: float
    stream: str
    text: str
    call_id: str
    instance_id: str


class Recorder:
    """Takes records without waiting. A killed executor loses at most the last quarter of a second."""

    def __init__(self, store: StoreThread, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._calls: list[CallRecord] = []
        self._logs: list[LogRecord] = []
        self._chars = 0
        """Of the output that is pending."""
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._warned = False

    def call(self, record: CallRecord) -> None:
        """Keep it, soon."""
        if len(self._calls) < _PENDING_MAX:
            self._calls.append(record)
        else:
            self._metrics.records_lost += 1
        self._arm()

    def log(self, record: LogRecord) -> None:
        """Keep it, soon."""
        if len(self._logs) < _PENDING_MAX and self._chars < _PENDING_CHARS:
            self._logs.append(record)
            self._chars += len(record.text)
        else:
            self._metrics.records_lost += 1
        self._arm()

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_AFTER_S, self._due)

    def _due(self) -> None:
        self._task = asyncio.ensure_future(self.flush())

    async def flush(self) -> None:
        """Write what is pending: after this, reading finds everything that was recorded before."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        calls, self._calls = self._calls, []
        logs, self._logs, self._chars = self._logs, [], 0
        # Also with nothing to write: a batch that is being written is then waited for.
        try:
            await self._store.run(lambda store: store.add_records(calls, logs))
            self._warned = False
        except StateError as error:
            # Calls go on without their records: refusing them would help nobody.
            self._metrics.records_lost += len(calls) + len(logs)
            if not self._warned:
                log.warning("records of calls are lost: %s", error)
            self._warned = True
