"""What is counted while the executor runs: a few additions per call, made into text only for who asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from nbfn.executor.records import CallRecord
    from nbfn.executor.revision import Revision

FUNCTIONS = 200
"""Functions that have series of their own; what the others do is added up under ``other``."""
BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"))

Outcome = Literal["completed", "errors", "timeouts", "canceled", "server_busy"]


class Histogram:
    """How often something took how long (seconds)."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        """For each bound, how often it was at most that and more than the one before; then the rest."""
        self.sum_s = 0.0

    def observe(self, took_s: float) -> None:
        self.counts[bisect_left(BOUNDS_S, took_s)] += 1
        self.sum_s += took_s

    def add(self, other: Histogram) -> None:
        self.counts = [one + more for one, more in zip(self.counts, other.counts, strict=True)]
        self.sum_s += other.sum_s


@dataclass(slots=True)
class Tally:
    """Of one function. ``outcomes`` has Fn's words for how calls end."""

    app_id: str = "other"
    fn_id: str = "other"
    app: str = ""
    name: str = ""
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    cold_starts: Counter[str] = field(default_factory=Counter)
    """By reason."""
    stops: Counter[str] = field(default_factory=Counter)
    """By why."""
    cold: Histogram = field(default_factory=Histogram)
    """Calls that waited for an instance to start, in all."""
    warm: Histogram = field(default_factory=Histogram)
    """Calls that did not."""
    queue: Histogram = field(default_factory=Histogram)
    """The part of them that was waiting for a place."""
    start: Histogram = field(default_factory=Histogram)
    """Starts of instances."""
    busy: Histogram = field(default_factory=Histogram)
    """Times in which an instance had a call."""
    idle: Histogram = field(default_factory=Histogram)
    """Times between two calls of an instance, or between the last one and its end."""

    def add(self, other: Tally) -> None:
        self.outcomes.update(other.outcomes)
        self.statuses.update(other.statuses)
        self.cold_starts.update(other.cold_starts)
        self.stops.update(other.stops)
        self.cold.add(other.cold)
        self.warm.add(other.warm)
        self.queue.add(other.queue)
        self.start.add(other.start)
        self.busy.add(other.busy)
        self.idle.add(other.idle)


@dataclass(slots=True)
class Metrics:
    """Everything that is counted. Used from one event loop."""

    others: Tally = field(default_factory=Tally)
    """Functions beyond the limit, and those that are no more."""
    functions: dict[str, Tally] = field(default_factory=dict)
    requests: dict[tuple[str, str, int], Histogram] = field(default_factory=dict)
    """Of the control plane, by path, method and status."""
    syslog_sent: int = 0
    syslog_dropped: int = 0
    records_lost: int = 0

    def deployed(self, revision: Revision) -> None:
        """There is this function."""
        if revision.fn_id not in self.functions and len(self.functions) < FUNCTIONS:
            app_id = revision.env.get("FN_APP_ID", "")
            tally = Tally(app_id, revision.fn_id, revision.app_name, revision.fn_name)
            self.functions[revision.fn_id] = tally

    def removed(self, fn_id: str) -> None:
        """There is not any more; no sum becomes smaller by that."""
        if (tally := self.functions.pop(fn_id, None)) is not None:
            self.others.add(tally)

    def of(self, fn_id: str) -> Tally:
        """Where to count what this function does."""
        return self.functions.get(fn_id, self.others)

    def ended(self, call: CallRecord) -> None:
        """A call is over."""
        tally = self.functions.get(call.fn_id, self.others)
        tally.outcomes[outcome(call.status, failed=bool(call.message))] += 1
        tally.statuses[call.status] += 1
        if call.start and call.total_ms is not None:
            (tally.cold if call.reason else tally.warm).observe(call.total_ms / 1000)
        if call.queue_ms is not None:
            tally.queue.observe(call.queue_ms / 1000)

    def answered(self, path: str, method: str, status: int, took_s: float) -> None:
        """The control plane answered. ``path`` is that of a route, with its parameters by name."""
        key = path, method if method in METHODS else "other", status
        histogram = self.requests.get(key)
        if histogram is None:
            histogram = self.requests[key] = Histogram()
        histogram.observe(took_s)


def outcome(status: int, *, failed: bool) -> Outcome:
    """How Fn's counters call an end like this. An nbfn call that raised is a 200 that failed."""
    if status == 200 and not failed:
        return "completed"
    if status == 444:
        return "canceled"
    if status == 504:
        return "timeouts"
    return "server_busy" if status in (429, 503) else "errors"
