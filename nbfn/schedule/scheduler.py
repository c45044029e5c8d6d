"""Which call runs where, and which instances start and stop: decisions only.

A state machine without clock or I/O. Each input returns what is to be done; whoever does it reports
back through further inputs. One instance runs one call at a time; the instance that was idle last is used
first; an instance is started only while more calls wait than instances are starting, or to keep a minimum;
all instances together stay within the memory budget, for which idle instances of other functions are evicted.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Generic, Literal

from nbfn.scale import Scale
from nbfn.schedule.orders import Assign, Order, R, Reject, Seen, Start, Stop, StopWhy
from nbfn.schedule.share import share_out
from nbfn.schedule.state import Bounds, Function, Instance, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbfn.spec import ColdReason

_BUSY = "Timed out - server too busy"  # Fn's text
_REASON_AFTER: Mapping[StopWhy, ColdReason] = {
    "idle-expired": "idle-expired",
    "evicted": "evicted",
    "timeout": "crashed",
    "cancelled": "crashed",
    "invalid-response": "crashed",
    "crashed": "crashed",
}
_ANY_NUMBER = Scale()


class Scheduler(Generic[R]):
    """Times are seconds on any clock that does not go back; every input has its own ``now``."""

    def __init__(self, memory_mb: int, new_id: Callable[[], str], bounds: Bounds | None = None) -> None:
        self.memory_mb = memory_mb
        self.used_mb = 0
        """Memory of all instances that are there, or starting, or not yet gone."""
        self._leaving_mb = 0
        self._new_id = new_id
        self._bounds = bounds or Bounds()
        self._functions: dict[str, Function[R]] = {}
        self._keeping: dict[str, Function[R]] = {}
        """Functions with a minimum."""
        self._queued: dict[Function[R], None] = {}
        """Functions that calls wait for."""
        self._instances: dict[str, Instance[R]] = {}
        self._waiting: dict[str, Function[R]] = {}
        self._running: dict[str, Instance[R]] = {}
        self._turn = 0
        self._closed = False

    # What is asked

    @property
    def quiet(self) -> bool:
        """True while no passing of time can matter."""
        return not self._waiting and not self._instances and (self._closed or not self._keeping)

    @property
    def calls(self) -> int:
        """Calls that wait or run."""
        return len(self._waiting) + len(self._running)

    def instances(self, fn_id: str = "") -> list[Seen]:
        """The instances of one function, or all."""
        return [
            Seen(each.id, each.revision.fn_id, each.state, each.memory_mb)
            for each in self._instances.values()
            if fn_id in ("", each.revision.fn_id)
        ]

    # What happens: functions

    def deploy(
        self, revision: R, now: float, *, scale: Scale = _ANY_NUMBER, reason: ColdReason = "first-call"
    ) -> list[Order[R]]:
        """The function is now this; ``reason`` is what its first cold start will be called."""
        fn_id = revision.fn_id
        function = self._functions.get(fn_id)
        if function is None:
            function = self._functions[fn_id] = Function(revision, scale, reason)
        orders: list[Order[R]] = []
        if function.revision != revision:
            if function.reason != "first-call" or function.held:
                function.reason = "new-revision"
            function.revision = revision
            function.setbacks, function.keep_after = 0, now
            orders += self._drain(function, "new-revision")
            if revision.limits.memory_mb > self.memory_mb:
                orders += self._refuse_all(function, 400, self._too_large(function))
        function.scale = scale
        self._keeping.pop(fn_id, None)
        if scale.min_instances:
            self._keeping[fn_id] = function
        while function.current > scale.most and function.idle:
            orders.append(self._stop(function.idle.pop(0), "scaled-in"))
        return orders + self._balance() + self._keep(now)

    def remove(self, fn_id: str) -> list[Order[R]]:
        """The function is no more: waiting calls are refused, running ones finish."""
        function = self._functions.pop(fn_id, None)
        if function is None:
            return []
        self._keeping.pop(fn_id, None)
        orders = self._refuse_all(function, 404, "Fn not found")
        orders += self._drain(function, "deleted")
        return orders + self._balance()

    def stop(self, fn_id: str, now: float) -> list[Order[R]]:
        """Its instances go: waiting calls get new ones, running ones finish on theirs."""
        if (function := self._functions.get(fn_id)) is None or not function.current:
            return []
        function.reason = "stopped"
        return [*self._drain(function, "stopped"), *self._balance(), *self._keep(now)]

    def shutdown(self) -> list[Order[R]]:
        """No more calls: waiting ones are refused, running ones finish."""
        self._closed = True
        orders: list[Order[R]] = []
        for function in self._functions.values():
            orders += self._refuse_all(function, 503, f"{_BUSY}: the executor is stopping", again=True)
            orders += self._drain(function, "shutdown")
        return orders

    # What happens: calls

    def arrive(self, call_id: str, fn_id: str, now: float) -> list[Order[R]]:
        """A call is here. Exactly one of Assign and Reject will come for it, unless it is cancelled."""
        function, bounds = self._functions.get(fn_id), self._bounds
        if function is None:
            return [Reject(call_id, 404, "Fn not found")]
        if self._closed:
            return [Reject(call_id, 503, f"{_BUSY}: the executor is stopping", bounds.retry_after_s)]
        if function.idle:
            return [self._assign(call_id, function.idle.pop())]
        if function.revision.limits.memory_mb > self.memory_mb:
            return [Reject(call_id, 400, self._too_large(function))]
        if len(function.queue) >= bounds.calls_of_one:
            message = f"Too many requests submitted: {bounds.calls_of_one} calls of this function are waiting"
            return [Reject(call_id, 429, message, bounds.retry_after_s)]
        if len(self._waiting) >= bounds.calls:
            message = f"{_BUSY}: {bounds.calls} calls are waiting"
            return [Reject(call_id, 503, message, bounds.retry_after_s)]
        self._turn += 1
        self._wait(call_id, function, Waiting(self._turn, now))
        return self._balance()

    def completed(self, call_id: str, now: float, *, stop: StopWhy | None = None) -> list[Order[R]]:
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
        instance.function.setbacks = 0
        return self._free(instance, now)

    def cancelled(self, call_id: str, now: float) -> list[Order[R]]:
        """The caller went away."""
        if call_id in self._waiting:
            self._leave(call_id)
            return self._balance()  # it may have been the oldest, for which others stood back
        return self.completed(call_id, now, stop="cancelled")

    def returned(self, call_id: str, now: float) -> list[Order[R]]:
        """The call's instance could not be reached, and saw nothing of it: it waits again, first in line."""
        instance = self._running.pop(call_id, None)
        if instance is None:
            return []
        instance.call_id = ""
        function = instance.function
        orders: list[Order[R]] = []
        if instance.state == "busy":
            self._no_longer_busy(instance)
            if instance.draining is None:
                function.set_back(now)
            orders.append(self._stop(instance, "crashed"))
        if self._closed or self._functions.get(instance.revision.fn_id) is not function:
            return [*orders, Reject(call_id, 503, _BUSY, self._bounds.retry_after_s)]
        if function.idle:
            return [*orders, self._assign(call_id, function.idle.pop())]
        others, function.queue = function.queue, {}
        self._turn += 1
        self._wait(call_id, function, Waiting(-self._turn, now))
        function.queue |= others
        return orders + self._balance()

    # What happens: instances

    def ready(self, instance_id: str, now: float) -> list[Order[R]]:
        """It accepts calls."""
        instance = self._instances.get(instance_id)
        if instance is None or instance.state != "starting":
            return []
        instance.function.starting -= 1
        return self._free(instance, now)

    def failed(
        self, instance_id: str, status: int, message: str, now: float, hint: str = ""
    ) -> list[Order[R]]:
        """It did not start, and is gone. The call it was for fails; others get attempts of their own."""
        instance = self._instances.get(instance_id)
        if instance is None:
            return []
        self._forget(instance)
        orders: list[Order[R]] = []
        if instance.state == "starting":
            function = instance.function
            # Fewer waiting calls than starts: somebody else's instance took the call.
            if function.queue and len(function.queue) >= function.starting:
                orders.append(self._reject(next(iter(function.queue)), status, message, hint=hint))
            function.starting -= 1
            function.set_back(now)
        return orders + self._balance()

    def gone(self, instance_id: str, now: float) -> list[Order[R]]:
        """It has ended, asked or not. A call that ran on it is still to be reported ``completed``."""
        instance = self._instances.get(instance_id)
        if instance is None:
            return []
        self._forget(instance)
        function = instance.function
        if instance.state == "starting":
            function.starting -= 1
        elif instance.state == "busy":
            self._no_longer_busy(instance)
        elif instance.state == "idle":
            function.idle.remove(instance)
        if instance.state in ("idle", "busy") and instance.draining is None:
            function.reason = "crashed"
            function.set_back(now)
        instance.state = "stopping"
        return self._balance()

    # What happens: time

    def tick(self, now: float) -> list[Order[R]]:
        """Some time has passed: idle instances expire, calls have waited too long, minimums are kept."""
        orders: list[Order[R]] = []
        for function in self._functions.values():
            if function.idle:
                orders += self._expired(function, now)
            if function.queue:
                orders += self._late(function, now)
        if orders:
            orders += self._balance()
        return orders + self._keep(now)

    def _expired(self, function: Function[R], now: float) -> list[Order[R]]:
        since = now - function.revision.limits.idle_timeout_s
        count = 0
        while count < function.surplus and function.idle[count].idle_since <= since:
            count += 1
        expired, function.idle = function.idle[:count], function.idle[count:]
        return [self._stop(instance, "idle-expired") for instance in expired]

    def _late(self, function: Function[R], now: float) -> list[Order[R]]:
        """The oldest calls have an instance starting, which has a time limit of its own."""
        wait_s = self._bounds.wait_s
        late = [
            call_id
            for call_id, waiting in islice(function.queue.items(), function.starting, None)
            if now - waiting.since >= wait_s
        ]
        why = f"for memory, {self.used_mb} of {self.memory_mb} MB are in use"
        if function.held >= function.scale.most:
            why = f"for one of the {function.scale.most} instances that this function may have"
        message = f"{_BUSY}: waited {wait_s:.0f} s {why}"
        return [self._reject(call_id, 503, message, again=True) for call_id in late]

    # How it is decided

    def _balance(self) -> list[Order[R]]:
        """Start what waiting calls need and memory allows, the function that has waited longest first."""
        if not self._waiting or self._closed:
            return []
        queued = sorted(self._queued, key=lambda each: each.turn)
        shares = share_out(queued, self._functions.values(), self.memory_mb - self.used_mb, self._leaving_mb)
        for instance in shares.evict:
            instance.function.idle.remove(instance)
        orders: list[Order[R]] = [self._stop(instance, "evicted") for instance in shares.evict]
        return orders + [self._start(function) for function in shares.start]

    def _keep(self, now: float) -> list[Order[R]]:
        """Start what minimums ask for, of the memory that no call waits for. Nobody is evicted for it."""
        if not self._keeping or self._closed:
            return []
        queued = sorted(self._queued, key=lambda each: each.turn)
        spare_mb = share_out(queued, (), self.memory_mb - self.used_mb, self._leaving_mb).spare_mb
        orders: list[Order[R]] = []
        for function in self._keeping.values():
            size_mb = function.revision.limits.memory_mb
            while function.missing > 0 and now >= function.keep_after and size_mb <= spare_mb:
                spare_mb -= size_mb
                orders.append(self._start(function, ahead=True))
        return orders

    def _start(self, function: Function[R], *, ahead: bool = False) -> Start[R]:
        others = function.starting or function.busy
        reason: ColdReason = "scale-out" if others else function.reason
        instance = Instance(self._new_id(), function, function.revision, reason, ahead)
        self._instances[instance.id] = instance
        function.starting += 1
        function.held += 1
        self.used_mb += instance.memory_mb
        return Start(instance.id, function.revision, "minimum" if ahead else reason)

    def _assign(self, call_id: str, instance: Instance[R]) -> Assign:
        reason: ColdReason | Literal[""] = instance.reason if instance.fresh else ""
        instance.state, instance.call_id, instance.fresh = "busy", call_id, False
        instance.function.busy += 1
        self._running[call_id] = instance
        return Assign(call_id, instance.id, reason)

    def _free(self, instance: Instance[R], now: float) -> list[Order[R]]:
        """It can take a call now, and is counted nowhere."""
        function = instance.function
        if function.current >= function.scale.most:  # which is less than it was
            return [self._stop(instance, "scaled-in"), *self._balance()]
        if function.queue:
            call_id = next(iter(function.queue))
            self._leave(call_id)
            return [self._assign(call_id, instance)]
        instance.state, instance.idle_since = "idle", now
        if instance.ahead:
            instance.fresh = False  # whoever calls it has waited for nothing
        function.idle.append(instance)
        return self._balance()

    def _no_longer_busy(self, instance: Instance[R]) -> None:
        if instance.draining is None:
            instance.function.busy -= 1

    def _stop(self, instance: Instance[R], why: StopWhy) -> Stop:
        """Its function's own lists and counts are the caller's business."""
        instance.state = "stopping"
        self._leaving_mb += instance.memory_mb
        if instance.draining is None:  # else its function has a newer revision, with its own reason
            instance.function.reason = _REASON_AFTER.get(why, instance.function.reason)
        return Stop(instance.id, why)

    def _forget(self, instance: Instance[R]) -> None:
        del self._instances[instance.id]
        instance.function.held -= 1
        self.used_mb -= instance.memory_mb
        if instance.state == "stopping":
            self._leaving_mb -= instance.memory_mb

    def _wait(self, call_id: str, function: Function[R], waiting: Waiting) -> None:
        function.queue[call_id] = waiting
        self._waiting[call_id] = function
        self._queued[function] = None

    def _leave(self, call_id: str) -> None:
        function = self._waiting.pop(call_id)
        del function.queue[call_id]
        if not function.queue:
            del self._queued[function]

    def _reject(
        self, call_id: str, status: int, message: str, *, again: bool = False, hint: str = ""
    ) -> Reject:
        self._leave(call_id)
        return Reject(call_id, status, message, self._bounds.retry_after_s if again else 0, hint)

    def _refuse_all(
        self, function: Function[R], status: int, message: str, *, again: bool = False
    ) -> list[Order[R]]:
        return [self._reject(call_id, status, message, again=again) for call_id in list(function.queue)]

    def _too_large(self, function: Function[R]) -> str:
        return (
            f"Requested CPU/Memory cannot be allocated: {function.revision.limits.memory_mb} MB asked, "
            f"{self.memory_mb} MB for all instances"
        )

    def _drain(self, function: Function[R], why: StopWhy) -> list[Order[R]]:
        """None of its instances is used again: starting and idle ones stop now, busy ones after the call."""
        orders: list[Order[R]] = []
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
