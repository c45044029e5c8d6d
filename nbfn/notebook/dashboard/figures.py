"""The drawings of a dashboard: calls and instances over time, and how long calls took. Inline SVG, pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.notebook.card import count
from nbfn.notebook.render import escaped
from nbfn.observe.histogram import PER_DECADE, lower_ms, roughly

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nbfn.notebook.dashboard.board import Board, Lane, Latency, Mark

_WIDE = 1000
_CURVE, _PAD, _LANE = 44, 8, 18
_BAR = 9
_HALF = 40


def over_time(board: Board) -> str:
    """The scaling curve and, under it on the same axis, a lane for each instance."""
    if not board.pieces:
        return ""
    height = _CURVE + _PAD + _LANE * len(board.lanes)
    lanes = "".join(_lane(lane, _CURVE + _PAD + _LANE * at) for at, lane in enumerate(board.lanes))
    folds = "".join(
        f'<rect class="nbfn-fold" x="{_x(piece.left)}" y="0" width="{_w(piece.right - piece.left)}" '
        f'height="{height}"/>'
        for piece in board.pieces
        if piece.silent
    )
    said = (
        f"Over time: at most {count(board.peak_instances, 'instance')} at once, "
        f"at most {count(board.peak_waiting, 'call')} waiting. "
        + ". ".join(lane.words for lane in board.lanes)
    )
    labels = "".join(f"<li>{_label(lane)}</li>" for lane in board.lanes)
    more = f'<p class="nbfn-quiet">and {board.lanes_hidden} more</p>' if board.lanes_hidden else ""
    return (
        f'<figure class="nbfn-time"><div class="nbfn-gutter">{_gauge(board)}'
        f'<ul aria-hidden="true">{labels}</ul></div>'
        f'<div class="nbfn-plot"><svg viewBox="0 0 {_WIDE} {height}" style="height:{height}px" '
        f'preserveAspectRatio="none" role="img" aria-label="{escaped(said)}">'
        f"{folds}{_curve(board)}{lanes}</svg>{_pieces(board)}</div>{more}</figure>"
    )


def _gauge(board: Board) -> str:
    waiting = f'<span class="nbfn-key nbfn-k-waiting">{board.peak_waiting} waiting</span>'
    return (
        f'<div class="nbfn-gauge" style="height:{_CURVE + _PAD}px">'
        f'<span class="nbfn-key nbfn-k-instances">{count(board.peak_instances, "instance")}</span>'
        f'{waiting if board.peak_waiting else ""}<span class="nbfn-quiet">at most</span></div>'
    )


def _label(lane: Lane) -> str:
    if not lane.id:
        return '<span class="nbfn-quiet">waiting</span>'
    name = f"{escaped(lane.function)} " if lane.function else ""
    return (
        f'<span class="nbfn-dot" data-state="{escaped(lane.state)}"></span>'
        f'<span class="nbfn-lane-name">{name}<code>{escaped(lane.id[-4:])}</code></span>'
    )


def _curve(board: Board) -> str:
    peak = max(board.peak_instances, board.peak_waiting, 1)
    areas = [
        ("nbfn-waiting", [(point.x, point.waiting) for point in board.curve]),
        ("nbfn-instances-area", [(point.x, point.instances) for point in board.curve]),
    ]
    drawn = "".join(
        f'<path class="{name}" d="{_steps(points, peak)}"/>'
        for name, points in areas
        if any(n for _, n in points)
    )
    return f'{drawn}<line class="nbfn-base" x1="0" x2="{_WIDE}" y1="{_CURVE}" y2="{_CURVE}"/>'


def _steps(points: Sequence[tuple[float, int]], peak: int) -> str:
    """A closed path of steps above the base line."""
    path = [f"M{_x(points[0][0])} {_CURVE}"]
    for x, number in points:
        path.append(f"H{_x(x)}V{_CURVE - number / peak * (_CURVE - 4):.1f}")
    return "".join([*path, f"H{_WIDE}V{_CURVE}Z"])


def _lane(lane: Lane, top: int) -> str:
    life = ""
    if lane.id:
        life = (
            f'<rect class="nbfn-life" x="{_x(lane.left)}" y="{top + 4}" '
            f'width="{_w(max(lane.right - lane.left, 0.002))}" height="{_BAR}" rx="2"/>'
        )
    return life + "".join(_mark(mark, top) for mark in lane.marks)


def _mark(mark: Mark, top: int) -> str:
    # What waits lies under the bars: the instance may be busy with another call meanwhile.
    y, height = (top + _BAR + 5, 2) if mark.stage == "queue" else (top + 4, _BAR)
    if mark.stage == "failed":
        y, height = top + 2, _BAR + 4
    return (
        f'<rect class="nbfn-{mark.stage}" x="{_x(mark.left)}" y="{y}" width="{_w(mark.right - mark.left)}" '
        f'height="{height}"><title>{escaped(mark.words)}</title></rect>'
    )


def _pieces(board: Board) -> str:
    items = "".join(
        f'<span class="{"nbfn-silence" if piece.silent else "nbfn-span"}" '
        f'style="left:{piece.left * 100:.2f}%;width:{(piece.right - piece.left) * 100:.2f}%">'
        f"{escaped(piece.words)}</span>"
        for piece in board.pieces
    )
    return f'<div class="nbfn-pieces" aria-hidden="true">{items}</div>'


def spread(cold: Latency, warm: Latency) -> str:
    """How long calls took: cold ones above the line, warm ones below, durations growing by tens."""
    used = [index for kind in (cold, warm) for index, number in enumerate(kind.counts) if number]
    if not used:
        return ""
    first = (min(used) - 1) // PER_DECADE * PER_DECADE
    last = -(-(max(used) + 2) // PER_DECADE) * PER_DECADE
    width = _WIDE / (last - first)
    bars = "".join(
        f'<rect class="nbfn-{name}" x="{(index - first) * width + 1:.1f}" '
        f'y="{_HALF - 1 - tall if up else _HALF + 1:.1f}" width="{width - 2:.1f}" height="{tall:.1f}">'
        f"<title>{_bucket_words(name, index, number)}</title></rect>"
        for name, kind, up in (("c-cold", cold, True), ("c-warm", warm, False))
        for index, number, tall in _bars(kind.counts)
    )
    ticks = "".join(
        f'<span style="left:{(at - first) * width / _WIDE * 100:.2f}%">{_tick(at)}</span>'
        for at in range(first, last + 1, PER_DECADE)
    )
    said = " ".join(filter(None, [_latency_words("cold", cold), _latency_words("warm", warm)]))
    return (
        f'<div class="nbfn-spread"><svg viewBox="0 0 {_WIDE} {2 * _HALF}" preserveAspectRatio="none" '
        f'role="img" aria-label="How long calls took: {said}">'
        f'<line class="nbfn-base" x1="0" x2="{_WIDE}" y1="{_HALF}" y2="{_HALF}"/>{bars}</svg>'
        f'<div class="nbfn-ticks" aria-hidden="true">{ticks}</div></div>'
    )


def _bars(counts: Iterable[int]) -> Iterator[tuple[int, int, float]]:
    every = list(counts)
    peak = max(every, default=0)
    for index, number in enumerate(every):
        if number:
            yield index, number, max(number / peak * (_HALF - 4), 1.5)


def _bucket_words(name: str, index: int, number: int) -> str:
    took = f"{roughly(lower_ms(index))} to {roughly(lower_ms(index + 1))}"
    return f"{number} {name.removeprefix('c-')}: {took}"


def _latency_words(name: str, latency: Latency) -> str:
    if latency.median_ms is None or latency.slow_ms is None:
        return ""
    return (
        f"{latency.total} {name}, half within {roughly(latency.median_ms)}, "
        f"95 of 100 within {roughly(latency.slow_ms)}."
    )


def _tick(index: int) -> str:
    ms = lower_ms(index)
    return f"{ms:g} ms" if ms < 999 else f"{ms / 1000:g} s"


def _x(share: float) -> str:
    return f"{share * _WIDE:.1f}"


def _w(share: float) -> str:
    return f"{max(share * _WIDE, 2):.1f}"
