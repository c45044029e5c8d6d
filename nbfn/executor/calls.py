"""One call on its way through the executor, and what it cost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.executor.answers import Response
    from nbfn.executor.hop import Headers
    from nbfn.executor.revision import Revision
    from nbfn.spec import Stage

_HEAD = (
    b"POST /call HTTP/1.1\r\nHost: localhost\r\n%b"
    b"Fn-Call-Id: %b\r\nFn-Deadline: %b\r\nContent-Length: %d\r\n\r\n"
)


@dataclass(slots=True, eq=False)
class Call:
    """What a caller asked for. Times are monotonic seconds, but for ``queued_at`` (since the epoch)."""

    id: str
    revision: Revision
    headers: bytes
    """Header lines for the instance, without those that the pool adds."""
    body: list[bytes]
    arrived: float
    queued_at: float
    done: asyncio.Future[Response] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    assigned: float = 0.0
    start_s: float = 0.0
    """Of its wait, the part that was the start of its instance."""
    instance_id: str = ""
    reason: str = ""
    """Why it was cold; empty if it was warm, or never assigned."""
    timer: asyncio.TimerHandle | None = None
    over: bool = False
    bounced: bool = False
    """True if it was given to an instance that could not be reached: that happens once."""

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
        return _HEAD % (self.headers, self.id.encode(), deadline, sum(map(len, self.body)))

    def timings_ms(self, told: Mapping[bytes, bytes], now: float) -> dict[Stage, float]:
        """Milliseconds per stage, as far as they are known. ``import`` is a part of ``start``."""
        if not self.instance_id:
            waited = round((now - self.arrived) * 1000, 3)
            return {"queue": waited, "total": waited}
        found: dict[Stage, float] = {
            "queue": round((self.assigned - self.arrived - self.start_s) * 1000, 3),
            "start": round(self.start_s * 1000, 3),
        }
        if self.reason and (imported := _number(told.get(b"nbfn-import-ms"))) is not None:
            found["import"] = imported
        run = _number(told.get(b"nbfn-run-ms"))
        found["run"] = round((now - self.assigned) * 1000, 3) if run is None else run
        found["total"] = round((now - self.arrived) * 1000, 3)
        return found

    def told(self, timings_ms: Mapping[Stage, float]) -> Headers:
        """The executor's headers of the answer."""
        found: Headers = [
            (b"nbfn-start", self.start.encode()),
            (b"nbfn-queue-ms", b"%.3f" % timings_ms["queue"]),
            (b"nbfn-total-ms", b"%.3f" % timings_ms["total"]),
        ]
        if not self.instance_id:
            return found[1:]
        found.append((b"nbfn-start-ms", b"%.3f" % timings_ms["start"]))
        if self.reason:
            found.append((b"nbfn-cold-reason", self.reason.encode()))
        return found


def _number(value: bytes | None) -> float | None:
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None
