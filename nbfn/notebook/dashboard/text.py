"""A board as plain text: for terminals, headless runs and readers without HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.notebook.card import age, count
from nbfn.notebook.text import call_line, printable
from nbfn.observe.histogram import roughly

if TYPE_CHECKING:
    from nbfn.notebook.dashboard.board import Board, Entry, Latency, Tile

_BARS = " ▁▂▃▄▅▆▇█"
_CURVE = 48


def text(board: Board) -> str:
    """``board`` in a few aligned lines."""
    lines = [" · ".join([board.title, *board.facts]) + ("" if board.deployed else " · undeployed")]
    lines.append(
        f"  {count(board.instances, 'instance')}, {board.running} running, {board.waiting} waiting"
        f"   calls: {board.cold} cold, {board.warm} warm, {board.failed} failed   as of {board.clock}"
    )
    lines += [f"  {_tile(tile)}" for tile in board.tiles]
    if board.tiles_hidden:
        lines.append(f"  and {board.tiles_hidden} more")
    if board.peak_instances:
        lines.append(f"  instances over time {_curve(board)} at most {board.peak_instances}")
    lines += [
        f"  {start} calls: {_latency(kind)}"
        for start, kind in (("cold", board.cold_latency), ("warm", board.warm_latency))
        if kind.total
    ]
    if board.reasons:
        lines.append("  cold because: " + ", ".join(f"{words} ({number})" for words, number in board.reasons))
    lines += [f"  {_entry(entry)}" for entry in board.entries]
    if board.rows:
        lines += ["  last calls:", *(f"{call_line(row)}" for row in board.rows)]
    if board.log:
        lines += ["  log:", *(f"    {line.clock} {line.instance:>4} {line.text}" for line in board.log)]
    return printable("\n".join(lines))


def _tile(tile: Tile) -> str:
    facts = [tile.state, count(tile.calls, "call"), f"{age(tile.age_s)} old"]
    if tile.memory_mb:
        facts.append(f"{tile.memory_mb:.1f} MB")
    name = f" of {tile.function}" if tile.function else ""
    return f"instance {tile.short}{name}: {', '.join(facts)}"


def _curve(board: Board) -> str:
    heights = [0] * _CURVE
    points = [*board.curve]
    for here, after in zip(points, [*points[1:], None], strict=True):
        end = _CURVE if after is None else int(after.x * _CURVE)
        for at in range(min(int(here.x * _CURVE), _CURVE - 1), max(end, int(here.x * _CURVE) + 1)):
            heights[min(at, _CURVE - 1)] = max(heights[min(at, _CURVE - 1)], here.instances)
    peak = max(board.peak_instances, 1)
    return "".join(_BARS[-(-height * (len(_BARS) - 1) // peak)] for height in heights)


def _latency(latency: Latency) -> str:
    half, slow = latency.median_ms or 0.0, latency.slow_ms or 0.0
    return f"{latency.total}, half within {roughly(half)}, 95 % within {roughly(slow)}"


def _entry(entry: Entry) -> str:
    took = f", typically {roughly(entry.median_ms)}" if entry.median_ms is not None else ""
    told = f"{count(entry.instances, 'instance')}, {count(entry.calls, 'call')} ({entry.cold} cold)"
    return f"{entry.app}/{entry.name}: {told}{took}" + ("" if entry.deployed else ", undeployed")
