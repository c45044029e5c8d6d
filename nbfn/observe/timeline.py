"""Events folded into the picture of one function: instances, calls, output. Pure.

``picture = fold(picture, event)``, starting from ``FunctionPicture(fn_id)``. The stream may have gaps (a
slow reader), repeats (after a reconnection) and events of other functions: none of them is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, cast

from nbfn.spec import LogLine, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.spec import Event

RESTARTED = "executor.restarted"
"""Kind of the event that :mod:`nbfn.observe.events` makes itself: what ran before is gone."""

CALLS_KEPT = 50
LOG_PIECES_KEPT = 200
GONE_KEPT = 8

InstanceState = Literal["starting", "idle", "busy", "stopping", "gone"]
STATES: Mapping[str, InstanceState] = {
    "instance.starting": "starting",
    "instance.ready": "idle",
    "instance.busy": "busy",
    "instance.idle": "idle",
    "instance.stopping": "stopping",
    "instance.stopped": "gone",
}


@dataclass(frozen=True, slots=True)
class InstancePicture:
    """One instance. Times are seconds since the epoch; ``since`` is when it entered ``state``."""

    id: str
    state: InstanceState
    started_at: float
    since: float
    reason: str = ""
    """Why it was started."""
    start_ms: float | None = None
    calls: int = 0
    """Calls that were seen to finish on it."""
    why: str = ""
    """Why it stopped, or is stopping."""
    out_of_memory: bool = False
    fn_id: str = ""
    memory_bytes: int = 0
    """When it was last measured; 0 while it was not. No event tells it."""


@dataclass(frozen=True, slots=True)
class CallPicture:
    """One call. ``status`` is None while it runs, then the HTTP status."""

    id: str
    queued_at: float
    instance_id: str = ""
    started_at: float | None = None
    finished_at: float | None = None
    start: str = ""
    """``cold``, ``warm``, or empty while unknown."""
    reason: str = ""
    status: int | None = None
    message: str = ""
    timings_ms: Mapping[Stage, float] = field(default_factory=dict)
    fn_id: str = ""

    @property
    def ok(self) -> bool | None:
        """None while it runs. A function that raised is not ok, though nbfn's calls are answered with 200."""
        return None if self.status is None else 200 <= self.status < 400 and not self.message


@dataclass(frozen=True, slots=True)
class FunctionPicture:
    """What is known of a function at one moment."""

    fn_id: str
    seq: int = 0
    """Of the newest event that was folded in."""
    image: str = ""
    limits: tuple[int, int, int] | None = None
    """Memory (MB), timeout and idle timeout (s), once an event has told."""
    preparing: tuple[str, int, int] | None = None
    """What is done for its image to be startable (``pull``, ``load``), and how many of how many bytes."""
    deleted: bool = False
    instances: tuple[InstancePicture, ...] = ()
    """Oldest first; of those that are gone only the last few."""
    calls: tuple[CallPicture, ...] = ()
    """Oldest first, the last few."""
    logs: tuple[LogLine, ...] = ()
    """Oldest first, the last few pieces."""
    cold: int = 0
    """Finished calls that had waited for a new instance."""
    warm: int = 0
    """Finished calls that found an instance waiting."""
    failed: int = 0
    """Finished calls that were not ok (cold and warm ones alike)."""

    @property
    def live(self) -> tuple[InstancePicture, ...]:
        """The instances that are not gone."""
        return tuple(each for each in self.instances if each.state != "gone")


def fold(picture: FunctionPicture, event: Event) -> FunctionPicture:
    """``picture`` after ``event``. Never raises, whatever the event holds."""
    if event.kind == RESTARTED:
        return _restarted(picture, event.at)
    if event.fn_id != picture.fn_id or event.seq <= picture.seq:
        return picture
    picture = replace(picture, seq=event.seq)
    if event.kind in STATES:
        picture = replace(picture, preparing=None) if event.kind == "instance.ready" else picture
        return _instance(picture, event)
    if event.kind.startswith("call."):
        return _call(picture, event)
    if event.kind == "log":
        return replace(picture, logs=(*picture.logs, log_line(event))[-LOG_PIECES_KEPT:])
    if event.kind in ("function.created", "function.updated"):
        return replace(
            picture,
            image=_text(event, "image") or picture.image,
            limits=limits_told(event) or picture.limits,
            deleted=False,
        )
    if event.kind == "image.progress":
        return replace(picture, preparing=_preparing(event))
    if event.kind == "function.deleted":
        return replace(picture, deleted=True)
    return picture


def _preparing(event: Event) -> tuple[str, int, int] | None:
    match event.data:
        case {"what": str(what), "done": int(done), "total": int(total)} if done < total:
            return what, done, total
    return None


def limits_told(event: Event) -> tuple[int, int, int] | None:
    """Memory (MB), timeout and idle timeout (s) of an event ``function.*``, if it tells them."""
    match event.data:
        case {"memory": int(memory_mb), "timeout": int(timeout_s), "idle_timeout": int(idle_timeout_s)}:
            return memory_mb, timeout_s, idle_timeout_s
    return None


def instance_after(was: InstancePicture | None, event: Event) -> InstancePicture:
    """One instance after an ``instance.*`` event of it; ``was`` is None before the first."""
    state = STATES[event.kind]
    was = was or InstancePicture(event.instance_id, state, event.at, event.at, fn_id=event.fn_id)
    if was.state == "gone":
        return was  # it does not come back
    return replace(
        was,
        state=state,
        since=event.at,
        reason=was.reason or _text(event, "reason"),
        start_ms=_number(event.data.get("start_ms")) if was.start_ms is None else was.start_ms,
        why=_text(event, "why") or _text(event, "cause") or was.why,
        out_of_memory=was.out_of_memory or event.data.get("out_of_memory") is True,
    )


def call_after(was: CallPicture | None, event: Event) -> CallPicture:
    """One call after a ``call.*`` event of it; ``was`` is None before the first."""
    was = was or CallPicture(event.call_id, queued_at=event.at, fn_id=event.fn_id)
    if was.status is not None:
        return was
    call = replace(
        was,
        instance_id=event.instance_id or was.instance_id,
        start=_text(event, "start") or was.start,
        reason=_text(event, "reason") or was.reason,
    )
    if event.kind == "call.started":
        told = {"queue": event.data.get("queue_ms"), "start": event.data.get("start_ms")}
        return replace(call, started_at=event.at, timings_ms=_timings(told))
    if event.kind == "call.finished":
        return replace(
            call,
            finished_at=event.at,
            status=int(_number(event.data.get("status")) or 0),
            message=_text(event, "message"),
            timings_ms=_timings(event.data.get("timings_ms")),
        )
    return call


def instance_lost(was: InstancePicture, at: float) -> InstancePicture:
    """An instance of an executor that is gone."""
    return was if was.state == "gone" else replace(was, state="gone", since=at, why="executor-restarted")


def call_lost(was: CallPicture, at: float) -> CallPicture:
    """A call of an executor that is gone."""
    if was.status is not None:
        return was
    return replace(was, status=503, finished_at=at, message="the executor went away")


def log_line(event: Event) -> LogLine:
    """The output that a ``log`` event tells of."""
    return LogLine(event.at, _text(event, "stream"), _text(event, "text"), event.call_id, event.instance_id)


def _restarted(picture: FunctionPicture, at: float) -> FunctionPicture:
    """Another executor counts from one again, has none of the instances, and lost the open calls."""
    gone = tuple(instance_lost(each, at) for each in picture.instances)
    calls = tuple(call_lost(each, at) for each in picture.calls)
    lost = sum(each.status is None for each in picture.calls)
    return replace(picture, seq=0, instances=_trim(gone), calls=calls, failed=picture.failed + lost)


def _instance(picture: FunctionPicture, event: Event) -> FunctionPicture:
    if not event.instance_id:
        return picture
    known = {each.id: each for each in picture.instances}
    was = known.get(event.instance_id)
    now = instance_after(was, event)
    if now is was:
        return picture
    known[now.id] = now
    return replace(picture, instances=_trim(tuple(known.values())))


def _call(picture: FunctionPicture, event: Event) -> FunctionPicture:
    if not event.call_id:
        return picture
    known = {each.id: each for each in picture.calls}
    was = known.get(event.call_id)
    call = call_after(was, event)
    if call is was:
        return picture
    if call.status is not None:
        picture = _count(picture, call)
    known[call.id] = call
    return replace(picture, calls=tuple(known.values())[-CALLS_KEPT:])


def _count(picture: FunctionPicture, call: CallPicture) -> FunctionPicture:
    return replace(
        picture,
        cold=picture.cold + (call.start == "cold"),
        warm=picture.warm + (call.start == "warm"),
        failed=picture.failed + (call.ok is False),
        instances=tuple(
            replace(each, calls=each.calls + 1) if each.id == call.instance_id else each
            for each in picture.instances
        ),
    )


def _trim(instances: tuple[InstancePicture, ...]) -> tuple[InstancePicture, ...]:
    extra = sum(each.state == "gone" for each in instances) - GONE_KEPT
    if extra <= 0:
        return instances
    dropped = {each.id for each in [each for each in instances if each.state == "gone"][:extra]}
    return tuple(each for each in instances if each.id not in dropped)


def _text(event: Event, name: str) -> str:
    value = event.data.get(name)
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
        return None
    return float(value)


def _timings(value: object) -> Mapping[Stage, float]:
    if not isinstance(value, dict):
        return {}
    stages: tuple[Stage, ...] = ("queue", "start", "import", "run", "total")
    found = {stage: _number(value.get(stage)) for stage in stages}
    return cast("Mapping[Stage, float]", {key: each for key, each in found.items() if each is not None})
