"""What a card says about one function: plain data in the words of the person who reads it.

:mod:`nbfn.notebook.view` makes a :class:`Card` from what was observed, and :mod:`nbfn.notebook.render` and
:mod:`nbfn.notebook.text` show it. Nothing here knows of events, widgets or HTML.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from nbfn.notebook.bars import Bar

TileState = Literal["starting", "busy", "idle", "stopping"]
Outcome = Literal["running", "ok", "failed"]

STAGES = ("queue", "start", "import", "run", "other")
"""The parts of a call, in the order in which they happen; ``other`` is what none of them accounts for."""

_REASONS = {
    "first-call": "first call",
    "scale-out": "others were busy",
    "idle-expired": "idle for too long",
    "new-revision": "new code",
    "evicted": "evicted for memory",
    "crashed": "the last one died",
    "stopped": "the last one was stopped",
    "executor-restarted": "executor restarted",
    "minimum": "kept ready",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One instance."""

    id: str
    state: TileState
    age_s: float
    calls: int
    idle_s: float | None = None
    """How long it has been idle, if it is."""

    @property
    def short(self) -> str:
        """Enough of its id to tell it from its neighbours: the last four characters."""
        return self.id[-4:]


@dataclass(frozen=True, slots=True)
class Row:
    """One call."""

    number: int
    """1 for the first call that was seen."""
    call_id: str
    start: Literal["cold", "warm", ""]
    reason: str
    """Why it was cold, in words."""
    outcome: Outcome
    message: str
    """What went wrong, one line."""
    total_ms: float | None
    stages_ms: tuple[tuple[str, float], ...] = ()
    """The parts that are known and took any time, in order."""
    function: str = ""
    """Which one was called, where several are shown."""


@dataclass(frozen=True, slots=True)
class LogText:
    """One piece of output."""

    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """All that is shown. ``rows`` are newest first, ``log`` oldest first."""

    name: str
    app: str
    url: str
    curl: str
    image: str
    memory_mb: int
    timeout_s: int
    idle_timeout_s: int
    deployed: bool = True
    preparing: Bar | None = None
    """How far its image is, while it is made ready to start."""
    tiles: tuple[Tile, ...] = ()
    rows: tuple[Row, ...] = ()
    cold: int = 0
    warm: int = 0
    failed: int = 0
    log: tuple[LogText, ...] = ()

    @property
    def scale_ms(self) -> float:
        """The length of the longest bar."""
        return max((sum(ms for _, ms in row.stages_ms) for row in self.rows), default=0.0)

    def typical_ms(self, start: Literal["cold", "warm"]) -> float | None:
        """The median of the calls shown that started so and went well."""
        took = [
            r.total_ms for r in self.rows if r.start == start and r.outcome == "ok" and r.total_ms is not None
        ]
        return median(took) if took else None


def reason_in_words(reason: str) -> str:
    """``idle-expired`` → ``idle for too long``; a reason of a newer executor is shown as it is."""
    return _REASONS.get(reason, reason.replace("-", " "))


def milliseconds(ms: float) -> str:
    """A duration with two or three digits that matter: ``0.42 ms``, ``41.3 ms``, ``812 ms``, ``2.4 s``."""
    if ms < 1:
        return f"{ms:.2f} ms"
    if ms < 100:
        return f"{ms:.1f} ms"
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def age(seconds: float) -> str:
    """How old something is: ``4 s``, ``3 min``, ``2 h``."""
    if seconds < 60:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.0f} h"


def count(number: int, noun: str) -> str:
    """``1 call``, ``2 calls``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
