"""Events folded into what a dashboard shows: of one function, of an application, or of all. Pure.

``activity = fold(activity, events)``, a batch at a time: what a burst costs is then one copy for each redraw
and not one for each event. Gaps, repeats and events of others are no errors, and it stays small however long
it follows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from nbfn.observe.histogram import Histogram
from nbfn.observe.timeline import (
    RESTARTED,
    STATES,
    CallPicture,
    InstancePicture,
    call_after,
    call_lost,
    instance_after,
    instance_lost,
    limits_told,
    log_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from nbfn.spec import Event, LogLine, RunningInstance

T = TypeVar("T")

ENDED_KEPT = 400
OPEN_KEPT = 2000
GONE_KEPT = 40
LIVE_KEPT = 500
STEPS_KEPT = 600
LOG_PIECES_KEPT = 400
FUNCTIONS_KEPT = 2000


@dataclass(frozen=True, slots=True)
class Scope:
    """What is followed: one function, the functions of an application, or all if both are empty."""

    fn_id: str = ""
    app: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """A function that is followed."""

    id: str
    name: str
    app: str
    deleted: bool = False
    memory_mb: int = 0
    timeout_s: int = 0
    idle_timeout_s: int = 0
    image: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """How much there was from ``at`` (seconds since the epoch) until the next step."""

    at: float
    instances: int
    running: int
    waiting: int

    def joined(self, later: Step) -> Step:
        """Both as one, which keeps the peaks."""
        return Step(
            self.at,
            max(self.instances, later.instances),
            max(self.running, later.running),
            max(self.waiting, later.waiting),
        )


@dataclass(frozen=True, slots=True)
class Activity:
    """What is known at one moment. All sequences are oldest first, and hold the last of each only."""

    scope: Scope = field(default_factory=Scope)
    seq: int = 0
    """Of the newest event that was looked at."""
    functions: Mapping[str, Known] = field(default_factory=dict)
    instances: tuple[InstancePicture, ...] = ()
    calls: tuple[CallPicture, ...] = ()
    logs: tuple[LogLine, ...] = ()
    steps: tuple[Step, ...] = ()
    cold: Histogram = field(default_factory=Histogram)
    """Of calls that went well and had waited for a new instance."""
    warm: Histogram = field(default_factory=Histogram)
    """Of calls that went well and found an instance waiting."""
    started: Mapping[str, int] = field(default_factory=dict)
    """Calls that ended, by ``cold`` and ``warm``."""
    failed: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Cold calls by their reason."""

    @property
    def live(self) -> tuple[InstancePicture, ...]:
        """The instances that are not gone."""
        return tuple(each for each in self.instances if each.state != "gone")

    @property
    def open(self) -> tuple[CallPicture, ...]:
        """The calls that wait or run."""
        return tuple(call for call in self.calls if call.status is None)

    @property
    def at_rest(self) -> bool:
        """True if nothing is going on: no call is open and no instance is changing."""
        return not self.open and all(each.state == "idle" for each in self.live)


def fold(activity: Activity, events: Iterable[Event]) -> Activity:
    """``activity`` after ``events``; itself if none of them is news. Never raises, whatever they hold."""
    work = _Work(activity)
    for event in events:
        work.take(event)
    return work.result()


def known(activity: Activity, functions: Iterable[Known]) -> Activity:
    """``activity`` with the functions that a server listed; those that it did not list are deleted."""
    listed = {each.id: each for each in functions}
    gone = {
        fn_id: replace(each, deleted=True)
        for fn_id, each in activity.functions.items()
        if fn_id not in listed
    }
    merged = {**gone, **listed}
    if merged == dict(activity.functions):
        return activity
    return replace(activity, functions=dict(list(merged.items())[-FUNCTIONS_KEPT:]))


def measured(activity: Activity, fn_id: str, instances: Sequence[RunningInstance]) -> Activity:
    """``activity`` with what the server said of the instances of a function; ones not heard of are added."""
    said = {each.id: each for each in instances}
    merged = [
        replace(each, memory_bytes=said[each.id].memory_bytes) if each.id in said else each
        for each in activity.instances
    ]
    heard = {each.id for each in merged}
    merged += [
        InstancePicture(
            each.id, each.state, each.started_at, each.started_at, calls=each.calls,
            fn_id=fn_id, memory_bytes=each.memory_bytes,
        )
        for each in instances if each.id not in heard
    ]  # fmt: skip
    return activity if tuple(merged) == activity.instances else replace(activity, instances=tuple(merged))


class _Work:
    """An activity while events are folded into it."""

    def __init__(self, activity: Activity) -> None:
        self._was = activity
        self._seq = activity.seq
        self._changed = False
        self._functions = dict(activity.functions)
        self._instances = {each.id: each for each in activity.instances}
        self._calls = {each.id: each for each in activity.calls}
        self._logs = list(activity.logs)
        self._steps = list(activity.steps)
        self._took: dict[str, list[float]] = {"cold": [], "warm": []}
        self._started = Counter(activity.started)
        self._reasons = Counter(activity.reasons)
        self._failed = activity.failed
        self._live = {each.id for each in activity.live}
        self._waiting = {each.id for each in activity.open if each.started_at is None}
        self._running = {each.id for each in activity.open if each.started_at is not None}

    def take(self, event: Event) -> None:
        if event.kind == RESTARTED:
            self._restart(event.at)
            return
        if event.seq <= self._seq:
            return
        self._seq = event.seq
        if event.kind.startswith("function."):
            self._function(event)
        elif not self._follows(event):
            return
        elif event.kind in STATES:
            self._instance(event)
        elif event.kind.startswith("call."):
            self._call(event)
        elif event.kind == "log":
            self._logs.append(log_line(event))
            self._changed = True

    def result(self) -> Activity:
        if not self._changed:
            return self._was if self._seq == self._was.seq else replace(self._was, seq=self._seq)
        return replace(
            self._was,
            seq=self._seq,
            functions=dict(list(self._functions.items())[-FUNCTIONS_KEPT:]),
            instances=_kept(
                self._instances.values(), lambda each: each.state == "gone", GONE_KEPT, LIVE_KEPT
            ),
            calls=_kept(self._calls.values(), lambda each: each.status is not None, ENDED_KEPT, OPEN_KEPT),
            logs=tuple(self._logs[-LOG_PIECES_KEPT:]),
            steps=_thinned(self._steps),
            cold=self._was.cold.plus(self._took["cold"]),
            warm=self._was.warm.plus(self._took["warm"]),
            started=dict(self._started),
            failed=self._failed,
            reasons=dict(self._reasons),
        )

    def _follows(self, event: Event) -> bool:
        scope = self._was.scope
        if scope.fn_id:
            return event.fn_id == scope.fn_id
        function = self._functions.get(event.fn_id)
        return not scope.app or (function is not None and function.app == scope.app)

    def _function(self, event: Event) -> None:
        scope, told = self._was.scope, event.data
        was = self._functions.get(event.fn_id)
        app = str(told.get("app") or (was.app if was else ""))
        if (
            not event.fn_id
            or (scope.fn_id and event.fn_id != scope.fn_id)
            or (scope.app and app != scope.app)
        ):
            return
        self._changed = True
        was = was or Known(event.fn_id, str(told.get("name") or ""), app)
        image = str(told.get("image") or was.image)
        memory_mb, timeout_s, idle_timeout_s = limits_told(event) or (
            was.memory_mb,
            was.timeout_s,
            was.idle_timeout_s,
        )
        self._functions[was.id] = replace(
            was,
            image=image,
            deleted=event.kind == "function.deleted",
            memory_mb=memory_mb,
            timeout_s=timeout_s,
            idle_timeout_s=idle_timeout_s,
        )

    def _instance(self, event: Event) -> None:
        was = self._instances.get(event.instance_id)
        now = instance_after(was, event)
        if not event.instance_id or now is was:
            return
        self._instances[now.id] = now
        if now.state == "gone":
            self._live.discard(now.id)
        else:
            self._live.add(now.id)
        self._step(event.at)

    def _call(self, event: Event) -> None:
        was = self._calls.get(event.call_id)
        now = call_after(was, event)
        if not event.call_id or now is was:
            return
        self._calls[now.id] = now
        self._waiting.discard(now.id)
        self._running.discard(now.id)
        if now.status is not None:
            self._count(now)
        elif now.started_at is None:
            self._waiting.add(now.id)
        else:
            self._running.add(now.id)
        self._step(event.at)

    def _count(self, call: CallPicture) -> None:
        instance = self._instances.get(call.instance_id)
        if instance is not None:
            self._instances[instance.id] = replace(instance, calls=instance.calls + 1)
        if call.start in self._took:
            self._started[call.start] += 1
        if call.start == "cold" and call.reason:
            self._reasons[call.reason] += 1
        if not call.ok:
            self._failed += 1
        elif call.start in self._took and (total := call.timings_ms.get("total")) is not None:
            self._took[call.start].append(total)

    def _step(self, at: float) -> None:
        self._changed = True
        now = Step(at, len(self._live), len(self._running), len(self._waiting))
        if self._steps and (now.instances, now.running, now.waiting) == (
            self._steps[-1].instances, self._steps[-1].running, self._steps[-1].waiting,
        ):  # fmt: skip
            return
        self._steps.append(now)
        if len(self._steps) >= 2 * STEPS_KEPT:
            self._steps = list(_thinned(self._steps))

    def _restart(self, at: float) -> None:
        """Another executor counts from one again, has none of the instances, and lost the open calls."""
        self._seq, self._changed = 0, True
        self._failed += len(self._waiting) + len(self._running)
        self._instances = {key: instance_lost(each, at) for key, each in self._instances.items()}
        self._calls = {key: call_lost(each, at) for key, each in self._calls.items()}
        for each in (self._live, self._waiting, self._running):
            each.clear()
        self._step(at)


def _kept(items: Iterable[T], over: Callable[[T], bool], most_over: int, most_open: int) -> tuple[T, ...]:
    """``items`` without the oldest of those that are over, and of those that are not, beyond so many."""
    every = list(items)
    ended = sum(map(over, every))
    drop_over, drop_open = ended - most_over, len(every) - ended - most_open
    kept = []
    for item in every:
        if over(item):
            drop_over -= 1
            if drop_over >= 0:
                continue
        else:
            drop_open -= 1
            if drop_open >= 0:
                continue
        kept.append(item)
    return tuple(kept)


def _thinned(steps: Sequence[Step]) -> tuple[Step, ...]:
    """At most so many steps: the older half is made coarser, and keeps its peaks."""
    while len(steps) > STEPS_KEPT:
        half = len(steps) // 2 // 2 * 2
        pairs = zip(steps[0:half:2], steps[1:half:2], strict=True)
        steps = [*(first.joined(second) for first, second in pairs), *steps[half:]]
    return tuple(steps)
