"""One instance as the pool holds it, from the order to start it until it is gone."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbfn.drivers.base import Exit, StartRequest
from nbfn.errors import NbfnError
from nbfn.executor import answers
from nbfn.executor.hop import Connection, dial

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.drivers.base import Driver, Instance
    from nbfn.executor.calls import Call
    from nbfn.executor.metrics import Tally
    from nbfn.executor.output import Output
    from nbfn.executor.revision import Revision
    from nbfn.schedule.orders import Start, StopWhy

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StartFailure:
    """What the call that waited for the instance is answered."""

    status: int
    message: str
    hint: str = ""


@dataclass(slots=True, eq=False)
class Worker:
    """Times are monotonic seconds, but for ``started_at`` (since the epoch)."""

    order: Start[Revision]
    output: Output
    requested: float = field(default_factory=time.monotonic)
    started_at: float = field(default_factory=time.time)
    ready: float = 0.0
    idle_since: float = 0.0
    """0 while it is not."""
    instance: Instance | None = None
    call: Call | None = None
    calls: int = 0
    exit: Exit | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _connection: Connection | None = None
    _task: asyncio.Task[None] | None = None

    def spent(self, tally: Tally, now: float, call: Call | None = None) -> None:
        """Count what ends ``now``: how long it was busy with ``call``, and idle before that."""
        if self.idle_since:
            idle_until = call.assigned if call is not None else now
            tally.idle.observe(max(0.0, idle_until - self.idle_since))
            self.idle_since = 0.0
        if call is not None:
            tally.busy.observe(now - call.assigned)

    def stopping(self, tally: Tally, why: StopWhy) -> None:
        """Count that it is stopped, and how long it was idle until then."""
        tally.stops[why] += 1
        self.spent(tally, time.monotonic())

    @property
    def id(self) -> str:
        return self.order.instance_id

    @property
    def fn_id(self) -> str:
        return self.order.revision.fn_id

    @property
    def memory_bytes(self) -> int:
        """What it holds now; 0 while it is starting."""
        return self.instance.usage().memory_bytes if self.instance is not None else 0

    async def live(
        self,
        driver: Driver,
        on_ready: Callable[[Worker], None],
        on_end: Callable[[Worker, StartFailure | None], None],
    ) -> None:
        """Start it, say so, wait for its end, say so. ``stop`` ends it from outside."""
        self._task = asyncio.current_task()
        order = self.order
        env = {**order.revision.env, "NBFN_INSTANCE_ID": self.id}
        revision = order.revision
        request = StartRequest(self.id, revision.image, revision.limits, env, revision.network)
        failure = None
        try:
            self.instance = await driver.start(request, self.output.write)
        except asyncio.CancelledError:
            self.exit = Exit(None, None, "stopped while it was starting")
        except Exception as error:  # whatever it was: a call waits for an answer
            if not isinstance(error, NbfnError):
                log.exception("starting %s failed", self.id)
            failure = StartFailure(*answers.start_failed(error, str(request.image)))
            self.exit = Exit(None, None, failure.message)
        else:
            self.ready = time.monotonic()
            on_ready(self)
            try:
                self.exit = await self.instance.wait()
            except asyncio.CancelledError:
                self.exit = await self.instance.stop()
        self.ended.set()
        if self.call is None:  # else the end of an answer may still be in it
            self.drop_connection()
        on_end(self, failure)

    async def stop(self) -> None:
        """End it now, whether it runs or is still starting."""
        if self.instance is not None:
            await self.instance.stop()
        elif self._task is not None:
            self._task.cancel()

    @property
    def connection(self) -> Connection | None:
        """The connection, if a request may be sent on it at once."""
        connection = self._connection
        return connection if connection is not None and connection.usable else None

    async def connect(self) -> Connection:
        """A new connection. Raises OSError."""
        if self.instance is None:
            raise FileNotFoundError("the instance has no socket")
        self.drop_connection()
        self._connection = await dial(self.instance.socket)
        return self._connection

    def drop_connection(self) -> None:
        """Close it; an answer still to come is not reported."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
