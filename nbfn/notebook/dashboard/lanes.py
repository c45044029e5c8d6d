"""Calls drawn in time, a lane for each instance. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from nbfn.notebook.card import count, milliseconds, reason_in_words
from nbfn.notebook.dashboard.board import Lane, Mark
from nbfn.notebook.view import stages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nbfn.notebook.dashboard.axis import Axis
    from nbfn.observe.activity import Activity
    from nbfn.observe.timeline import CallPicture, InstancePicture

LANES = 12
LEAST = 0.003
"""What happened is seen, however short it was."""
_MERGED = 0.006
"""Calls in less than this are drawn as one."""
_STOP_S = 0.01
_PAINTED = ("other", "queue", "run", "import", "start", "failed")
"""The rarer lies above the more frequent."""


def moments(activity: Activity, now: float) -> Iterator[tuple[float, float]]:
    """Begin and end of everything that is worth time on the axis."""
    for call in activity.calls:
        yield call.queued_at, now if call.finished_at is None else call.finished_at
    for each in activity.instances:
        if each.state == "starting":
            yield each.started_at, now
        elif each.start_ms is not None:
            yield each.started_at, each.started_at + each.start_ms / 1000
        if each.state == "gone":
            yield each.since - _STOP_S, each.since


def lanes(activity: Activity, axis: Axis, now: float, *, named: bool) -> tuple[tuple[Lane, ...], int]:
    """The lanes of the instances that were there in the time of ``axis``, and how many find no room.

    ``named`` is for drawings of several functions. Above them is a lane of the calls that wait.
    """
    if not axis.spans:
        return (), 0
    there = [each for each in activity.instances if each.state != "gone" or each.since > axis.begin]
    calls: dict[str, list[CallPicture]] = {}
    for call in activity.calls:
        if call.finished_at is None or call.finished_at >= axis.begin:
            calls.setdefault(call.instance_id, []).append(call)
    # Of too many those that live, and then those that went last, find room; they keep their order.
    wanted = sorted(there, key=lambda each: (each.state == "gone", -each.since))[:LANES]
    chosen = {each.id for each in wanted}
    names = {each.id: each.name for each in activity.functions.values()} if named else {}
    drawn = [
        _lane(each, calls.get(each.id, ()), axis, now, names.get(each.fn_id, ""))
        for each in there
        if each.id in chosen
    ]
    waiting = [call for call in calls.get("", ()) if call.status is None]
    if waiting:
        drawn.insert(0, _queue(waiting, axis, now))
    return tuple(drawn), len(there) - len(chosen)


def _lane(
    instance: InstancePicture, calls: Iterable[CallPicture], axis: Axis, now: float, function: str
) -> Lane:
    # A clock that was set back may tell of an end before its beginning.
    ended = max(instance.since if instance.state == "gone" else now, instance.started_at)
    marks = tuple(_merged([mark for call in calls for mark in _marks(call, axis, now)]))
    words = f"instance {instance.id[-4:]}, {instance.state}: {count(instance.calls, 'call')}"
    if instance.reason:
        words += f", started since: {reason_in_words(instance.reason)}"
    if instance.state == "gone" and instance.why:
        words += f", ended: {instance.why.replace('-', ' ')}"
    return Lane(
        instance.id, function, instance.state, axis.x(instance.started_at), axis.x(ended), marks, words
    )


def _queue(calls: Sequence[CallPicture], axis: Axis, now: float) -> Lane:
    left = axis.x(min(call.queued_at for call in calls))
    words = f"{count(len(calls), 'call')} waiting for an instance"
    mark = Mark("queue", left, max(axis.x(now), left + LEAST), words)
    return Lane("", "", "waiting", left, mark.right, (mark,), words)


def _marks(call: CallPicture, axis: Axis, now: float) -> Iterator[Mark]:
    parts = stages(call)
    if call.status is None:
        begun = call.queued_at if call.started_at is None else call.started_at
        started_s = dict(parts).get("start", 0.0) / 1000
        words = f"{call.start or 'call'} running"
        yield Mark("queue", axis.x(call.queued_at), axis.x(begun - started_s), words)
        yield Mark("start", axis.x(begun - started_s), axis.x(begun), words)
        yield Mark("run", axis.x(begun), max(axis.x(now), axis.x(begun) + LEAST), words)
        return
    end = call.queued_at if call.finished_at is None else call.finished_at
    said = _words(call)
    at = call.queued_at
    for stage, ms in parts:
        left, right = axis.x(at), axis.x(at := min(at + ms / 1000, end))
        yield Mark(stage, left, right, said)
    if not parts:
        yield Mark("other", axis.x(at), axis.x(end), said)
    if not call.ok:
        yield Mark("failed", axis.x(end), axis.x(end), said)


def _words(call: CallPicture) -> str:
    total = call.timings_ms.get("total")
    why = f" ({reason_in_words(call.reason)})" if call.start == "cold" and call.reason else ""
    took = f" {milliseconds(total)}" if total is not None else ""
    parts = ", ".join(f"{stage} {milliseconds(ms)}" for stage, ms in stages(call))
    return f"{call.start or 'call'}{why}{took}" + (f": {parts}" if parts else "")


def _merged(marks: Sequence[Mark]) -> Iterator[Mark]:
    """Marks wide enough to be seen; of one stage in one place only one, or a burst would be thousands."""

    def place(mark: Mark) -> tuple[str, int]:
        wide = mark.right - mark.left > _MERGED
        return mark.stage, id(mark) if wide else int(mark.left / _MERGED)

    ordered = sorted(marks, key=lambda mark: (_PAINTED.index(mark.stage), mark.left))
    for _, alike in groupby(ordered, key=place):
        found = list(alike)
        first, right = found[0], max(mark.right for mark in found)
        if right - first.left < LEAST and first.stage in ("queue", "start", "other"):
            continue  # too short to be worth ink
        words = first.words if len(found) == 1 else f"{len(found)} calls"
        yield Mark(first.stage, first.left, max(right, first.left + LEAST), words)
