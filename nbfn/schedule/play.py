"""The executor's scheduler in made-up time: what arrives is played, and everything goes as a model says."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from nbfn.errors import BadInput
from nbfn.scale import Scale
from nbfn.schedule.orders import Assign, Order, Start, StopWhy
from nbfn.schedule.orders import Stop as StopOrder
from nbfn.schedule.scheduler import Scheduler
from nbfn.schedule.simulation import PlayedCall, Simulation, Span
from nbfn.schedule.trace import Arrival, trace_of
from nbfn.spec import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from nbfn.schedule.orders import State
    from nbfn.schedule.state import Bounds
    from nbfn.spec import ColdReason

_TICK_S = 0.25  # as the executor's
_STOP_S = 0.005
_STOPS: dict[int, StopWhy] = {504: "timeout", 502: "crashed"}


@dataclass(frozen=True, slots=True)
class Model:
    """How a function behaves in a simulation. Times are seconds."""

    name: str = "f"
    run_s: float = 0.1
    """What a call takes that does not say itself."""
    start_s: float = 0.02
    """What the start of an instance takes."""
    limits: Limits = field(default_factory=Limits)
    scale: Scale = field(default_factory=Scale)


def simulate(
    trace: Iterable[Arrival | float] | str | Path,
    functions: Iterable[Model] = (),
    *,
    memory_mb: int = 1024,
    run_s: float = 0.1,
    start_s: float = 0.02,
    memory: int = 128,
    idle_timeout: int = 30,
    min_instances: int = 0,
    max_instances: int | None = None,
    bounds: Bounds | None = None,
    seed: int = 0,
) -> Simulation:
    """What the executor would do with this: decided by its own scheduler, in no time and always the same.

    Args:
        trace: when calls arrive, as seconds or :class:`Arrival`; or ``poisson:RATE:SECONDS``,
            ``burst:COUNT[:SECONDS]``, or the path of a CSV or JSON file of arrivals.
        functions: how functions behave; those of the trace that are not among them are as the rest says.
        memory_mb: what all instances together may hold.
        run_s: what a call takes, seconds.
        start_s: what the start of an instance takes, seconds.
        memory: what an instance holds, MB.
        idle_timeout: how long an instance waits for another call, seconds.
        min_instances: kept ready without a call.
        max_instances: never more at once.
        bounds: how many calls may wait, and for how long; by default as the executor's.
        seed: another one gives another ``poisson``.

    Raises:
        BadInput: a trace that cannot be read, or a number that cannot be.
    """
    limits, scale = Limits(memory, 30, idle_timeout), Scale(min_instances, max_instances)
    models = {each.name: each for each in functions}
    arrivals = trace_of(trace, seed=seed)
    for name in dict.fromkeys(each.function for each in arrivals):
        models.setdefault(name, Model(name, run_s, start_s, limits, scale))
    for model in models.values():
        if model.run_s < 0 or model.start_s < 0:
            raise BadInput(f"{model.name} takes {min(model.run_s, model.start_s)} s", hint="use 0 or more")
    return _Play(models, memory_mb, bounds).run(arrivals)


@dataclass(frozen=True, slots=True)
class _Version:
    fn_id: str
    limits: Limits
    number: int = 1


@dataclass(slots=True)
class _Instance:
    id: str
    function: str
    state: State
    since: float
    why: str
    requested: float
    ready: float = 0.0


@dataclass(slots=True)
class _Call:
    id: str
    arrival: Arrival
    instance: str = ""
    reason: ColdReason | str = ""
    queue_s: float = 0.0
    start_s: float = 0.0


class _Play:
    """One run: a line of things to happen, each of which the scheduler is told when its time has come."""

    def __init__(self, models: dict[str, Model], memory_mb: int, bounds: Bounds | None) -> None:
        self._models = models
        self._memory_mb = memory_mb
        self._names = (f"i{number}" for number in itertools.count(1))
        self._scheduler: Scheduler[_Version] = Scheduler(memory_mb, lambda: next(self._names), bounds)
        self._versions: dict[str, _Version] = {}
        self._now = 0.0
        self._line: list[tuple[float, int, Callable[[], Sequence[Order[_Version]]]]] = []
        self._order = itertools.count()
        self._instances: dict[str, _Instance] = {}
        self._calls: dict[str, _Call] = {}
        self._ended: list[PlayedCall] = []
        self._spans: list[Span] = []

    def run(self, arrivals: Sequence[Arrival]) -> Simulation:
        for name, model in self._models.items():
            self._versions[name] = _Version(name, model.limits)
            self._obey(self._scheduler.deploy(self._versions[name], 0.0, scale=model.scale))
        for number, arrival in enumerate(arrivals, start=1):
            self._at(arrival.at_s, partial(self._arrive, arrival, f"c{number}"))
        patience = max((model.limits.idle_timeout_s for model in self._models.values()), default=0) + 1
        last, tick = 0.0, _TICK_S
        while self._line or not (self._scheduler.quiet or self._now > last + patience):
            if self._line and self._line[0][0] <= tick:
                self._now, _, happen = heapq.heappop(self._line)
                last = self._now
                self._obey(happen())
            elif self._line and self._scheduler.quiet:
                tick = self._line[0][0] + _TICK_S  # nothing can become of the time until then
            else:
                self._now, tick = tick, tick + _TICK_S
                self._obey(self._scheduler.tick(self._now))
        for instance in self._instances.values():
            self._enter(instance, "stopping", "")
        calls = sorted(self._ended, key=lambda each: int(each.id[1:]))
        spans = sorted(self._spans, key=lambda each: (each.begin_s, int(each.instance[1:])))
        return Simulation(tuple(calls), tuple(spans), self._now, self._memory_mb)

    def _at(self, at_s: float, happen: Callable[[], Sequence[Order[_Version]]]) -> None:
        heapq.heappush(self._line, (at_s, next(self._order), happen))

    # What happens

    def _arrive(self, arrival: Arrival, call_id: str) -> Sequence[Order[_Version]]:
        name = arrival.function
        if arrival.kind == "deploy":
            version = self._versions[name]
            self._versions[name] = version = replace(version, number=version.number + 1)
            return self._scheduler.deploy(version, self._now, scale=self._models[name].scale)
        self._calls[call_id] = _Call(call_id, arrival)
        return self._scheduler.arrive(call_id, name, self._now)

    def _ready(self, instance: _Instance) -> Sequence[Order[_Version]]:
        if instance.state != "starting":
            return ()
        instance.ready = self._now
        self._enter(instance, "idle", "")
        return self._scheduler.ready(instance.id, self._now)

    def _done(self, call: _Call, status: int) -> Sequence[Order[_Version]]:
        self._enter(self._instances[call.instance], "idle", "")
        self._end(call, status)
        return self._scheduler.completed(call.id, self._now, stop=_STOPS.get(status))

    def _gone(self, instance: _Instance) -> Sequence[Order[_Version]]:
        self._enter(self._instances.pop(instance.id), "stopping", "")
        return self._scheduler.gone(instance.id, self._now)

    # What is to be done

    def _obey(self, orders: Sequence[Order[_Version]]) -> None:
        for order in orders:
            if isinstance(order, Start):
                self._start(order)
            elif isinstance(order, Assign):
                self._assign(self._calls[order.call_id], order)
            elif isinstance(order, StopOrder):
                instance = self._instances[order.instance_id]
                self._enter(instance, "stopping", order.why)
                self._at(self._now + _STOP_S, partial(self._gone, instance))
            else:
                self._end(self._calls[order.call_id], order.status, order.message)

    def _start(self, order: Start[_Version]) -> None:
        name = order.revision.fn_id
        instance = _Instance(order.instance_id, name, "starting", self._now, order.reason, self._now)
        self._instances[instance.id] = instance
        self._at(self._now + self._models[name].start_s, partial(self._ready, instance))

    def _assign(self, call: _Call, order: Assign) -> None:
        instance, arrival = self._instances[order.instance_id], call.arrival
        call.instance, call.reason = instance.id, order.reason
        if order.reason:
            call.start_s = max(0.0, instance.ready - max(instance.requested, arrival.at_s))
        call.queue_s = self._now - arrival.at_s - call.start_s
        self._enter(instance, "busy", call.id)
        model = self._models[arrival.function]
        run_s, status = model.run_s if arrival.run_s is None else arrival.run_s, 200
        if arrival.kind == "crash":
            status = 502
        if run_s > model.limits.timeout_s:
            run_s, status = model.limits.timeout_s, 504
        self._at(self._now + run_s, partial(self._done, call, status))

    # What is told

    def _enter(self, instance: _Instance, state: State, why: str) -> None:
        if self._now > instance.since:
            self._spans.append(
                Span(instance.id, instance.function, instance.state, instance.since, self._now, instance.why)
            )
        instance.state, instance.since, instance.why = state, self._now, why

    def _end(self, call: _Call, status: int, message: str = "") -> None:
        del self._calls[call.id]
        arrived = call.arrival.at_s
        self._ended.append(
            PlayedCall(
                id=call.id,
                function=call.arrival.function,
                arrived_s=arrived,
                ended_s=self._now,
                queue_s=call.queue_s if call.instance else self._now - arrived,
                start_s=call.start_s,
                start=("cold" if call.reason else "warm") if call.instance else "",
                reason=call.reason,
                instance=call.instance,
                status=status,
                message=message,
            )
        )
