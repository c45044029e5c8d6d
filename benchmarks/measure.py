"""Timing and telling: medians of repeated runs, both sides of each ratio."""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``ratio`` is ours ÷ peer."""

    name: str
    unit: str
    ours: float
    peer: float | None
    peer_name: str
    ratio: float | None
    runs: int


def row(
    name: str,
    unit: str,
    ours: list[float],
    peer: list[float] | None = None,
    peer_name: str = "",
    digits: int = 3,
) -> Row:
    """Medians of both sides, and their ratio."""
    mine = statistics.median(ours)
    theirs = statistics.median(peer) if peer else None
    return Row(
        name,
        unit,
        round(mine, digits),
        None if theirs is None else round(theirs, digits),
        peer_name,
        None if not theirs else round(mine / theirs, 2),
        len(ours),
    )


def milliseconds(action: Callable[[], object], runs: int, *, warm_up: int = 1) -> list[float]:
    """Wall time of each run, after some that do not count."""
    for _ in range(warm_up):
        action()
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        action()
        times.append((time.perf_counter() - begin) * 1e3)
    return times


def tell(rows: Iterable[Row], file: Path | None) -> None:
    """Print the table, and keep it in ``file`` as JSON."""
    table = list(rows)
    print(f"{'what':<28}{'ours':>14}{'peer':>12}  {'ratio':>7}  {'runs':>5}  peer")
    for each in table:
        peer = f"{each.peer:.3f}" if each.peer is not None else "-"
        ratio = f"{each.ratio:.2f}" if each.ratio is not None else "-"
        ours = f"{each.ours:.3f} {each.unit}"
        print(f"{each.name:<28}{ours:>14}{peer:>12}  {ratio:>7}  {each.runs:>5}  {each.peer_name}")
    if file is not None:
        file.write_text(json.dumps([asdict(each) for each in table], indent=2) + "\n")
