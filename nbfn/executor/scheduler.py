"""Which call runs where, and which instances start and stop: decisions only.

A state machine without clock or I/O. Each input returns what is to be done; whoever does it reports
back through further inputs. One instance runs one call at a time; the instance that was idle last is used
first; an instance is started only while more calls wait than instances are starting; all instances together
stay within the memory budget, for which idle instances of other functions are evicted, oldest first.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Literal

from nbfn.executor.orders import Assign, Order, Reject, Seen, Start, State, Stop, StopWhy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbfn.executor.revision import Revision
    from nbfn.spec import ColdReason

QUEUE_CALLS = 1000
QUEUE_WAIT_S = 60.0
RETRY_AFTER_S = 15

_BUSY = "Timed out - server too busy"  # Fn's text
_REASON_AFTER: Mapping[StopWhy, ColdReason] = {
    "idle-expired": "idle-expired",
    "evicted": "evicted",
    "timeout": "crashed",
    "cancelled": "crashed",
    "invalid-response": "crashed",
    "crashed": "crashed",
}


@dataclass(slots=True, eq=False)
class _Instance:
    id: str
    function: _Function
    revision: Revision
    reason: ColdReason
    state: State = "starting"
    call_id: str = ""
    fresh: bool = True
    idle_since: float = 0.0
    draining: StopWhy | None = None

    @property
    def memory_mb(self) -> int:
        return self.revision.limits.memory_mb


@dataclass(slots=True, eq=False)
class _Function:
    revision: Revision
    reason: ColdReason
    """Why its next instance will be needed, if it has none."""
    queue: dict[str, float] = field(default_factory=dict)
    """Waiting calls and when they came, oldest first."""
    idle: list[_Instance] = field(default_factory=list)
    """Idle instances of the current revision, newest idle last."""
    starting: int = 0
    """Starting instances of the current revision."""
    busy: int = 0
    """Busy instances of the current revision."""


class Scheduler:
    """Times are seconds on any clock that does not go back; every input has its own ``now``."""

    def __init__(self, memory_mb: int, new_id: Callable[[], str]) -> None:
        self.memory_mb = memory_mb
        self._new_id = new_id
        self._functions: dict[str, _Function] = {}
        self._instances: dict[str, _Instance] = {}
        self._waiting: dict[str, _Function] = {}
        self._running: dict[str, _Instance] = {}
        self._closed = False

    # What is asked

    @property
    def quiet(self) -> bool:
        """True while no passing of time can matter."""
        return not self._waiting and not self._instances

    @property
    def calls(self) -> int:
        """Calls that wait or run."""
        return len(self._waiting) + len(self._running)

    @property
    def used_mb(self) -> int:
        """Memory of all instances that are there, or starting, or not yet gone."""
        return sum(instance.memory_mb for instance in self._instances.values())

    def instances(self, fn_id: str = "") -> list[Seen]:
        """The instances of one function, or all."""
        return [
            Seen(each.id, each.revision.fn_id, each.state, each.memory_mb)
            for each in self._instances.values()
            if fn_id in ("", each.revision.fn_id)
        ]

    # What happens: functions

    def deploy(self, revision: Revision, now: float, *, reason: ColdReason = "first-call") -> list[Order]:
        """The function is now this; ``reason`` is what its first cold start will be called."""
        function = self._functions.get(revision.fn_id)
        if function is None:
            self._functions[revision.fn_id] = _Function(revision, reason)
            return []
        if function.revision == revision:
            return []
        had_instances = function.reason != "first-call" or any(
            each.function is function for each in self._instances.values()
        )
        function.revision = revision
        if had_instances:
            function.reason = "new-revision"
        orders = self._drain(function, "new-revision")
        if revision.limits.memory_mb > self.memory_mb:
            orders += self._refuse_all(function, 400, self._too_large(function))
        return orders + self._balance()

    def remove(self, fn_id: str) -> list[Order]:
        """The function is no more: waiting calls are refused, running ones finish."""
        function = self._functions.pop(fn_id, None)
        if function is None:
            return []
        orders = self._refuse_all(function, 404, "Fn not found")
        orders += self._drain(function, "deleted")
        return orders + self._balance()

    def shutdown(self) -> list[Order]:
        """No more calls: waiting ones are refused, running ones finish."""
        self._closed = True
        orders: list[Order] = []
        for function in self._functions.values():
            orders += self._refuse_all(function, 503, f"{_BUSY}: the executor is stopping", RETRY_AFTER_S)
            orders += self._drain(function, "shutdown")
        return orders

    # What happens: calls

    def arrive(self, call_id: str, fn_id: str, now: float) -> list[Order]:
        """A call is here. Exactly one of Assign and Reject will come for it, unless it is cancelled."""
        function = self._functions.get(fn_id)
        if function is None:
            return [Reject(call_id, 404, "Fn not found")]
        if self._closed:
            return [Reject(call_id, 503, f"{_BUSY}: the executor is stopping", RETRY_AFTER_S)]
        if function.idle:
            return [self._assign(call_id, function.idle.pop())]
        if function.revision.limits.memory_mb > self.memory_mb:
            return [Reject(call_id, 400, self._too_large(function))]
        if len(function.queue) >= QUEUE_CALLS:
            message = f"Too many requests submitted: {QUEUE_CALLS} calls of this function are waiting"
            return [Reject(call_id, 429, message, RETRY_AFTER_S)]
        function.queue[call_id] = now
        self._waiting[call_id] = function
        return self._balance()

    def completed(self, call_id: str, now: float, *, stop: StopWhy | None = None) -> list[Order]:
        """The call has its answer. ``stop``: its instance may not be used again."""
        instance = self._running.pop(call_id, None)
        if instance is None:
            return []
        instance.call_id = ""
        if instance.state != "busy":  # it went away during the call
            return []
        self._no_longer_busy(instance)
        if stop is not None or instance.draining is not None:
            return [self._stop(instance, stop or instance.draining or "shutdown"), *self._balance()]
        return self._free(instance, now)

    def cancelled(self, call_id: str, now: float) -> list[Order]:
        """The caller went away."""
        function = self._waiting.pop(call_id, None)
        if function is not None:
            del function.queue[call_id]
            return self._balance()  # it may have been the oldest, for which others stood back
        return self.completed(call_id, now, stop="cancelled")

    def returned(self, call_id: str, now: float) -> list[Order]:
        """The call's instance could not be reached, and saw nothing of it: it waits again, first in line."""
        instance = self._running.pop(call_id, None)
        if instance is None:
            return []
        instance.call_id = ""
        orders: list[Order] = []
        if instance.state == "busy":
            self._no_longer_busy(instance)
            orders.append(self._stop(instance, "crashed"))
        function = instance.function
        if self._closed or self._functions.get(instance.revision.fn_id) is not function:
            return [*orders, Reject(call_id, 503, _BUSY, RETRY_AFTER_S)]
        if function.idle:
            return [*orders, self._assign(call_id, function.idle.pop())]
        function.queue = {call_id: now, **function.queue}
        self._waiting = {call_id: function, **self._waiting}
        return orders + self._balance()

    # What happens: instances

    def ready(self, instance_id: str, now: float) -> list[Order]:
        """It accepts calls."""
        instance = self._instances.get(instance_id)
        if instance is None or instance.state != "starting":
            return []
        instance.function.starting -= 1
        return self._free(instance, now)

    def failed(self, instance_id: str, status: int, message: str, hint: str = "") -> list[Order]:
        """It did not start, and is gone. The call it was for fails; others get attempts of their own."""
        instance = self._instances.pop(instance_id, None)
        if instance is None:
            return []
        orders: list[Order] = []
        if instance.state == "starting":
            function = instance.function
            # Fewer waiting calls than starts: somebody else's instance took the call.
            if len(function.queue) >= function.starting:
                oldest = next(iter(function.queue), "")
                if oldest:
                    orders.append(self._reject(oldest, status, message, hint=hint))
            function.starting -= 1
        return orders + self._balance()

    def gone(self, instance_id: str) -> list[Order]:
        """It has ended, asked or not. A call that ran on it is still to be reported ``completed``."""
        instance = self._instances.pop(instance_id, None)
        if instance is None:
            return []
        function = instance.function
        if instance.state == "starting":
            function.starting -= 1
        elif instance.state == "busy":
            self._no_longer_busy(instance)
        elif instance.state == "idle":
            function.idle.remove(instance)
        if instance.state in ("idle", "busy") and instance.draining is None:
            function.reason = "crashed"
        instance.state = "stopping"
        return self._balance()

    # What happens: time

    def tick(self, now: float) -> list[Order]:
        """Some time has passed: idle instances expire, calls have waited too long."""
        orders: list[Order] = []
        for function in self._functions.values():
            limit = function.revision.limits.idle_timeout_s
            expired = [each for each in function.idle if now - each.idle_since >= limit]
            for instance in expired:
                function.idle.remove(instance)
                orders.append(self._stop(instance, "idle-expired"))
            # The oldest calls have an instance starting, which has a time limit of its own.
            late = [
                call_id
                for call_id, since in islice(function.queue.items(), function.starting, None)
                if now - since >= QUEUE_WAIT_S
            ]
            message = (
                f"{_BUSY}: waited {QUEUE_WAIT_S:.0f} s for memory, "
                f"{self.used_mb} of {self.memory_mb} MB are in use"
            )
            orders += [self._reject(call_id, 503, message, RETRY_AFTER_S) for call_id in late]
        return orders + self._balance() if orders else []

    # How it is decided

    def _balance(self) -> list[Order]:
        """Start what waiting calls need and memory allows, the function that has waited longest first."""
        if not self._waiting or self._closed:
            return []
        orders: list[Order] = []
        used = self.used_mb
        free = self.memory_mb - used
        leaving = sum(each.memory_mb for each in self._instances.values() if each.state == "stopping")
        soon = free + leaving
        for function in dict.fromkeys(self._waiting.values()):
            wanted = function.revision.limits.memory_mb
            for _ in range(len(function.queue) - function.starting):
                if soon < wanted:
                    evicted = self._evict(function, wanted - soon)
                    orders += evicted
                    soon += sum(self._instances[each.instance_id].memory_mb for each in evicted)
                soon -= wanted
                if soon < 0:
                    return orders  # nobody overtakes: a large function would wait for ever
                if wanted <= free:
                    free -= wanted
                    orders.append(self._start(function))
                else:
                    free = 0  # what is free is kept for it until the rest has left
        return orders

    def _evict(self, function: _Function, missing_mb: int) -> list[Stop]:
        """Stops of idle instances of others, oldest first, that make this room; none if they cannot."""
        idle = [
            each
            for each in self._instances.values()
            if each.state == "idle" and each.function is not function
        ]
        chosen: deque[_Instance] = deque()
        for instance in sorted(idle, key=lambda each: each.idle_since):
            if missing_mb <= 0:
                break
            chosen.append(instance)
            missing_mb -= instance.memory_mb
        if missing_mb > 0:
            return []
        for instance in chosen:
            instance.function.idle.remove(instance)
        return [self._stop(instance, "evicted") for instance in chosen]

    def _start(self, function: _Function) -> Start:
        others = function.starting or function.busy
        reason: ColdReason = "scale-out" if others else function.reason
        instance = _Instance(self._new_id(), function, function.revision, reason)
        self._instances[instance.id] = instance
        function.starting += 1
        return Start(instance.id, function.revision, reason)

    def _assign(self, call_id: str, instance: _Instance) -> Assign:
        reason: ColdReason | Literal[""] = instance.reason if instance.fresh else ""
        instance.state, instance.call_id, instance.fresh = "busy", call_id, False
        instance.function.busy += 1
        self._running[call_id] = instance
        return Assign(call_id, instance.id, reason)

    def _free(self, instance: _Instance, now: float) -> list[Order]:
        function = instance.function
        if function.queue:
            call_id = next(iter(function.queue))
            del function.queue[call_id], self._waiting[call_id]
            return [self._assign(call_id, instance)]
        instance.state, instance.idle_since = "idle", now
        function.idle.append(instance)
        return self._balance() if self._waiting else []

    def _no_longer_busy(self, instance: _Instance) -> None:
        if instance.draining is None:
            instance.function.busy -= 1

    def _stop(self, instance: _Instance, why: StopWhy) -> Stop:
        """Its function's own lists and counts are the caller's business."""
        instance.state = "stopping"
        if instance.draining is None:  # else its function has a newer revision, with its own reason
            instance.function.reason = _REASON_AFTER.get(why, instance.function.reason)
        return Stop(instance.id, why)

    def _reject(
        self, call_id: str, status: int, message: str, retry_after_s: int = 0, hint: str = ""
    ) -> Reject:
        function = self._waiting.pop(call_id)
        del function.queue[call_id]
        return Reject(call_id, status, message, retry_after_s, hint)

    def _refuse_all(
        self, function: _Function, status: int, message: str, retry_after_s: int = 0
    ) -> list[Order]:
        return [self._reject(call_id, status, message, retry_after_s) for call_id in list(function.queue)]

    def _too_large(self, function: _Function) -> str:
        wanted = function.revision.limits.memory_mb
        return (
            f"Requested CPU/Memory cannot be allocated: {wanted} MB asked, "
            f"{self.memory_mb} MB for all instances"
        )

    def _drain(self, function: _Function, why: StopWhy) -> list[Order]:
        """None of its instances is used again: starting and idle ones stop now, busy ones after the call."""
        orders: list[Order] = []
        for instance in self._instances.values():
            if instance.function is not function or instance.state == "stopping":
                continue
            if instance.state == "busy":
                if instance.draining is None:
                    function.busy -= 1
                instance.draining = why
            else:
                orders.append(self._stop(instance, why))
        function.idle.clear()
        function.starting = 0
        return orders
