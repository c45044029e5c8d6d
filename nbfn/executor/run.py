"""One call on one instance: the request sent, the answer passed on or explained."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Protocol

from nbfn.executor import answers
from nbfn.executor.hop import HopFailed

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from nbfn.executor.answers import Response
    from nbfn.executor.calls import Call
    from nbfn.executor.hop import Connection, Head
    from nbfn.executor.worker import Worker
    from nbfn.schedule.orders import StopWhy

log = logging.getLogger(__name__)

_EXIT_WAIT_S = 2.0


class Owner(Protocol):
    """The pool, as far as a run needs it."""

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]: ...

    def deadline_in(self, timeout_s: int) -> bytes: ...

    def give_back(self, call: Call) -> None:
        """Its instance saw nothing of it: it waits again."""
        ...

    def finish(
        self, call: Call, response: Response, *, stop: StopWhy | None = None, body: list[bytes] | None = None
    ) -> None:
        """It is over; ``body`` is the end of an answer that has begun."""
        ...


class Run:
    """Gets the answer from the hop (:class:`nbfn.executor.hop.Receiver`)."""

    __slots__ = ("_call", "_owner", "_response", "_worker")

    def __init__(self, owner: Owner, call: Call, worker: Worker) -> None:
        self._owner = owner
        self._call = call
        self._worker = worker
        self._response: Response | None = None

    def begin(self) -> None:
        """Send it, at once if a connection is open."""
        connection = self._worker.connection
        if connection is not None:
            self._send(connection)
        else:
            self._owner.spawn(self._dial())

    async def _dial(self) -> None:
        call, worker = self._call, self._worker
        try:
            connection = await worker.connect()
        except OSError as error:
            await self._unreachable(error)
            return
        if call.over or worker.call is not call:
            connection.close()
        else:
            self._send(connection)

    async def _unreachable(self, error: OSError) -> None:
        """Nothing was sent, so the call may safely go to another instance; but only once."""
        if self._call.over:
            return
        if self._call.bounced:
            cause = f"its socket cannot be reached: {error}"
            await self._lost(HopFailed(cause, closed=True))
        else:
            self._owner.give_back(self._call)

    def _send(self, connection: Connection) -> None:
        call = self._call
        call.connection = connection
        head = call.head(self._owner.deadline_in(call.revision.limits.timeout_s))
        connection.send(head, call.body, self, call.memory.descriptors if call.memory is not None else ())

    # The answer

    def answered(self, head: Head | None, body: list[bytes], last: bool) -> None:
        try:
            self._answered(head, body, last)
        except Exception as error:
            # A function says whatever it likes: what nobody thought of must not be waited for.
            log.exception("an answer of call %s could not be taken", self._call.id)
            response = answers.failure(502, f"invalid function response: {error}")
            self._owner.finish(self._call, response, stop="invalid-response")

    def _answered(self, head: Head | None, body: list[bytes], last: bool) -> None:
        call = self._call
        if call.over:
            return
        response, stop = self._response, None
        if head is not None:
            response, stop = answers.response_to(head)
            self._response = response
        if response is None:
            return
        if stop is not None:  # whatever else it says, it is not used
            self._owner.finish(call, response, stop=stop)
        elif last:
            self._ended(response, body)
        elif response.passed_on:
            self._pass_on(response, body)

    def _pass_on(self, response: Response, body: list[bytes]) -> None:
        call = self._call
        if call.began is None:
            response.body = body
            call.began = response
            call.caller.begin(call, response, last=False)
        else:
            call.caller.more(body, last=False)

    def _ended(self, response: Response, body: list[bytes]) -> None:
        """All of the answer is here. What the call wrote before it should be, too."""
        if response.passed_on and self._call.began is None:
            response.body = body
        written = _output_bytes(response)
        if written == 0 and self._call.began is None:
            self._owner.finish(self._call, response)
        else:
            self._call.expires = math.inf
            self._owner.spawn(self._drain(response, body, written))

    async def _drain(self, response: Response, body: list[bytes], written: int) -> None:
        await self._worker.output.drained(written)
        self._owner.finish(self._call, response, body=body)

    def failed(self, failure: HopFailed) -> None:
        if not self._call.over:
            self._owner.spawn(self._lost(failure))

    async def _lost(self, failure: HopFailed) -> None:
        """No answer: the way in which the instance ended says more, and is known in a moment."""
        call, worker = self._call, self._worker
        call.expires = math.inf
        if failure.closed:
            try:
                async with asyncio.timeout(_EXIT_WAIT_S):
                    await worker.ended.wait()
            except TimeoutError:
                pass
        stop: StopWhy = "crashed" if failure.closed else "invalid-response"
        self._owner.finish(call, answers.lost(str(failure), worker.exit), stop=stop)


def _output_bytes(response: Response) -> int:
    """How much the call wrote as far as its runtime tells: 0 nothing, -1 it does not tell."""
    if b"nbfn-runtime" not in response.told:
        return -1
    tail = response.told.get(b"nbfn-output")
    if tail is None:
        return 0
    cut = response.told.get(b"nbfn-output-cut", b"0")
    told = int(cut) if cut.isdigit() and len(cut) < 19 else 0
    return len(tail) * 3 // 4 - tail.count(b"=") + told
