"""One call on its way through the executor, and what it cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from nbfn.executor.records import CallRecord
from nbfn.runtime.wire import MEMORY_HEADER

if TYPE_CHECKING:
    from nbfn.executor.answers import Response
    from nbfn.executor.body import Body
    from nbfn.executor.hop import Connection
    from nbfn.executor.memory import Memory
    from nbfn.executor.revision import Revision

_MEMORY = MEMORY_HEADER.encode()
_HEAD = b"POST /call HTTP/1.1\r\nHost: localhost\r\n%bFn-Call-Id: %b\r\nFn-Deadline: %b\r\n"


class Started(NamedTuple):
    """What the event of a call's start tells. Made into a document only for who reads it."""

    start: str
    reason: str
    queue_s: float
    start_s: float

    @classmethod
    def of(cls, call: Call) -> Started:
        return cls(call.start, call.reason, call.assigned - call.arrived - call.start_s, call.start_s)

    def told(self) -> dict[str, object]:
        return {
            "start": self.start,
            "reason": self.reason,
            "queue_ms": round(self.queue_s * 1000, 3),
            "start_ms": round(self.start_s * 1000, 3),
        }


class Caller(Protocol):
    """Whoever waits for a call's answer. Told from the loop, and only while the call is not over."""

    def begin(self, call: Call, response: Response, *, last: bool) -> None:
        """The answer; unless it is the ``last`` of it, more of the body comes."""
        ...

    def more(self, body: list[bytes], *, last: bool) -> None:
        """More of the body."""
        ...

    def broken(self) -> None:
        """What is left of the body will never come."""
        ...


@dataclass(slots=True, eq=False)
class Call:
    """What a caller asked for. Times are monotonic seconds, but for ``queued_at`` (since the epoch)."""

    id: str
    revision: Revision
    headers: bytes
    """Header lines for the instance, without those that the pool adds."""
    body: Body
    caller: Caller
    arrived: float
    queued_at: float
    assigned: float = 0.0
    expires: float = math.inf
    """When it has run for too long."""
    start_s: float = 0.0
    """Of its wait, the part that was the start of its instance."""
    instance_id: str = ""
    reason: str = ""
    """Why it was cold; empty if it was warm, or never assigned."""
    connection: Connection | None = None
    """To its instance, once it is there."""
    began: Response | None = None
    """What was passed on of its answer while the rest is still to come."""
    untold: bool = False
    """True while the event of its start is still to be told."""
    over: bool = False
    bounced: bool = False
    """True if it was given to an instance that could not be reached: that happens once."""
    memory: Memory | None = None
    """What its caller shares with the instance."""

    @property
    def start(self) -> str:
        """``cold``, ``warm``, or empty if it never got an instance."""
        if not self.instance_id:
            return ""
        return "cold" if self.reason else "warm"

    def document(self) -> dict[str, object]:
        """As ``/nbfn/v1`` tells it while it waits or runs: like the record of one that is over."""
        return {
            "id": self.id,
            "fn_id": self.revision.fn_id,
            "instance_id": self.instance_id,
            "start": self.start,
            "reason": self.reason,
            "status": 0,
            "message": "",
            "queued_at": self.queued_at,
            "timings_ms": {},
        }

    def head(self, deadline: bytes) -> bytes:
        """What the instance gets before the body."""
        head = _HEAD % (self.headers, self.id.encode(), deadline)
        if self.memory is not None:
            head += b"%b: %b\r\n" % (_MEMORY, self.memory.told)
        if self.body.length is None:
            return head + b"Transfer-Encoding: chunked\r\n\r\n"
        return head + b"Content-Length: %d\r\n\r\n" % self.body.length

    def record(self, response: Response, now: float) -> CallRecord:
        """What is kept of it: milliseconds, as far as they are known; ``import`` is a part of ``start``."""
        total = (now - self.arrived) * 1000
        told, imported = response.told, None
        if not self.instance_id:
            queue, start, run = total, None, None
        else:
            queue, start = (self.assigned - self.arrived - self.start_s) * 1000, self.start_s * 1000
            if self.reason:
                imported = _number(told.get(b"nbfn-import-ms"))
            run = _number(told.get(b"nbfn-run-ms"))
            if run is None:
                run = (now - self.assigned) * 1000
        return CallRecord(
            self.id,
            self.revision.fn_id,
            self.instance_id,
            self.start,
            self.reason,
            response.status,
            response.message,
            self.queued_at,
            queue,
            start,
            imported,
            run,
            total,
        )

    def told(self, now: float, *, last: bool) -> bytes:
        """The executor's header lines of the answer. The total is known only with the ``last`` of it."""
        total = b"Nbfn-Total-Ms: %.3f\r\n" % ((now - self.arrived) * 1000) if last else b""
        if not self.instance_id:
            waited = (now - self.arrived) * 1000
            return b"Fn-Call-Id: %b\r\nNbfn-Queue-Ms: %.3f\r\n%b" % (self.id.encode(), waited, total)
        return b"Fn-Call-Id: %b\r\nNbfn-Start: %b\r\nNbfn-Queue-Ms: %.3f\r\nNbfn-Start-Ms: %.3f\r\n%b%b" % (
            self.id.encode(),
            b"cold" if self.reason else b"warm",
            (self.assigned - self.arrived - self.start_s) * 1000,
            self.start_s * 1000,
            b"Nbfn-Cold-Reason: %b\r\n" % self.reason.encode() if self.reason else b"",
            total,
        )

    def pause(self) -> None:
        """Its caller takes no more of the answer for now."""
        if self.connection is not None:
            self.connection.pause()

    def resume(self) -> None:
        """Its caller takes more."""
        if self.connection is not None:
            self.connection.resume()


def _number(value: bytes | None) -> float | None:
    """Milliseconds that an instance tells; None if it tells none that can be, as JSON has no NaN either."""
    try:
        told = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return told if 0.0 <= told < math.inf else None
