"""From what was observed to the board that shows it. Pure."""

from __future__ import annotations

from time import localtime, strftime
from typing import TYPE_CHECKING, cast

from nbfn.notebook.card import count, reason_in_words
from nbfn.notebook.dashboard.axis import make_axis
from nbfn.notebook.dashboard.board import Board, Entry, Latency, Output, Piece, Point, Tile
from nbfn.notebook.dashboard.lanes import lanes, moments
from nbfn.notebook.view import row
from nbfn.observe.histogram import Histogram
from nbfn.observe.logs import whole_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbfn.notebook.card import Row, TileState
    from nbfn.notebook.dashboard.axis import Axis
    from nbfn.notebook.dashboard.board import Kind
    from nbfn.observe.activity import Activity, Known
    from nbfn.observe.timeline import InstancePicture
    from nbfn.spec import LogLine

TILES = 40
ROWS = 8
LOG_LINES = 10
_MB = 1 << 20


def view(activity: Activity, *, now: float, title: str = "", log_filter: str = "") -> Board:
    """The board of ``activity`` as it is seen at ``now`` (seconds since the epoch)."""
    kind = kind_of(activity)
    only = activity.functions.get(activity.scope.fn_id)
    axis = make_axis(moments(activity, now))
    drawn, hidden = lanes(activity, axis, now, named=kind != "function")
    live = activity.live
    return Board(
        kind=kind,
        title=title or (only.name if only else activity.scope.app or "executor"),
        facts=_facts(activity, only),
        clock=strftime("%H:%M:%S", localtime(now)),
        deployed=not (only and only.deleted),
        tiles=tuple(_tile(each, activity, now, named=kind != "function") for each in live[:TILES]),
        tiles_hidden=max(len(live) - TILES, 0),
        running=sum(call.started_at is not None for call in activity.open),
        waiting=sum(call.started_at is None for call in activity.open),
        cold=activity.started.get("cold", 0),
        warm=activity.started.get("warm", 0),
        failed=activity.failed,
        reasons=tuple(
            (reason_in_words(reason), number)
            for reason, number in sorted(activity.reasons.items(), key=lambda item: -item[1])
        ),
        lanes=drawn,
        lanes_hidden=hidden,
        pieces=_pieces(axis),
        curve=_curve(activity, axis),
        cold_latency=_latency(activity.cold),
        warm_latency=_latency(activity.warm),
        rows=_rows(activity, named=kind != "function"),
        entries=() if kind == "function" else _entries(activity),
        log=_log(activity.logs, log_filter),
        log_filter=log_filter,
    )


def kind_of(activity: Activity) -> Kind:
    """What is followed."""
    if activity.scope.fn_id:
        return "function"
    return "application" if activity.scope.app else "executor"


def _facts(activity: Activity, only: Known | None) -> tuple[str, ...]:
    if only is None:
        there = sum(not each.deleted for each in activity.functions.values())
        return (count(there, "function"),)
    if not only.memory_mb:
        return (f"app {only.app}",)
    return (
        f"app {only.app}",
        f"{only.memory_mb} MB",
        f"timeout {only.timeout_s} s",
        f"idle {only.idle_timeout_s} s",
    )


def _tile(instance: InstancePicture, activity: Activity, now: float, *, named: bool) -> Tile:
    function = activity.functions.get(instance.fn_id)
    return Tile(
        id=instance.id,
        function=function.name if named and function else "",
        state=cast("TileState", instance.state),
        age_s=max(now - instance.started_at, 0.0),
        calls=instance.calls,
        memory_mb=instance.memory_bytes / _MB,
        limit_mb=function.memory_mb if function else 0,
        idle_s=max(now - instance.since, 0.0) if instance.state == "idle" else None,
        idle_timeout_s=function.idle_timeout_s if function else 0,
    )


def _pieces(axis: Axis) -> tuple[Piece, ...]:
    found: list[Piece] = []
    for before, span in zip((None, *axis.spans), axis.spans, strict=False):
        if before is not None:
            silence = _seconds(span.begin - before.end)
            found.append(Piece(before.right, span.left, silence, silent=True))
        found.append(Piece(span.left, span.right, _seconds(span.seconds), silent=False))
    return tuple(found)


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.0f} h"


def _curve(activity: Activity, axis: Axis) -> tuple[Point, ...]:
    points: list[Point] = []
    for step in activity.steps:
        point = Point(round(axis.x(step.at), 4), step.instances, step.running, step.waiting)
        if points and points[-1].x == point.x and step.at <= axis.begin:
            points.pop()  # of what was before the drawing begins, only how it ended
        points.append(point)
    return tuple(points)


def _latency(histogram: Histogram) -> Latency:
    return Latency(histogram.counts, histogram.total, histogram.quantile_ms(0.5), histogram.quantile_ms(0.95))


def _rows(activity: Activity, *, named: bool) -> tuple[Row, ...]:
    """The last calls, newest first; those that wait in a queue are many and all alike: they come last."""
    ended = activity.started.get("cold", 0) + activity.started.get("warm", 0)
    begun = [call for call in activity.calls if call.started_at is not None or call.status is not None]
    last = max(ended + sum(call.status is None for call in begun), len(begun))
    names = activity.functions
    return tuple(
        row(call, last - index, names[call.fn_id].name if named and call.fn_id in names else "")
        for index, call in enumerate(reversed(begun[-ROWS:]))
    )


def _entries(activity: Activity) -> tuple[Entry, ...]:
    return tuple(
        _entry(each, activity)
        for each in sorted(activity.functions.values(), key=lambda each: (each.app, each.name))
        if not each.deleted or any(call.fn_id == each.id for call in activity.calls)
    )


def _entry(function: Known, activity: Activity) -> Entry:
    calls = [call for call in activity.calls if call.fn_id == function.id]
    ended = [call for call in calls if call.status is not None]
    took = Histogram().plus(call.timings_ms["total"] for call in ended if "total" in call.timings_ms)
    return Entry(
        name=function.name,
        app=function.app,
        instances=sum(each.fn_id == function.id for each in activity.live),
        running=sum(call.status is None and call.started_at is not None for call in calls),
        waiting=sum(call.status is None and call.started_at is None for call in calls),
        calls=len(ended),
        cold=sum(call.start == "cold" for call in ended),
        failed=sum(not call.ok for call in ended),
        median_ms=took.quantile_ms(0.5),
        deployed=not function.deleted,
    )


def _log(pieces: Sequence[LogLine], wanted: str) -> tuple[Output, ...]:
    words = wanted.casefold().split()
    lines = [
        line
        for line in whole_lines(pieces)
        if all(word in f"{line.text} {line.stream} {line.instance_id}".casefold() for word in words)
    ]
    return tuple(
        Output(strftime("%H:%M:%S", localtime(line.at)), line.instance_id[-4:], line.stream, line.text)
        for line in lines[-LOG_LINES:]
    )
