"""What a dashboard says, as plain data in the words of the person who reads it.

:mod:`nbfn.notebook.dashboard.view` makes a :class:`Board` of what was observed; HTML and text are made of it.
Places in time are shares of the drawing's width, from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from nbfn.notebook.card import Row, TileState

Kind = Literal["function", "application", "executor"]


@dataclass(frozen=True, slots=True)
class Tile:
    """One instance."""

    id: str
    function: str
    state: TileState
    age_s: float
    calls: int
    memory_mb: float
    """0 while nobody has measured it."""
    limit_mb: int
    """0 if it is not known."""
    idle_s: float | None
    idle_timeout_s: int

    @property
    def short(self) -> str:
        return self.id[-4:]


@dataclass(frozen=True, slots=True)
class Mark:
    """A part of a call, or several calls that are too short to be told apart."""

    stage: str
    left: float
    right: float
    words: str


@dataclass(frozen=True, slots=True)
class Lane:
    """What one instance did. The lane without an id is of the calls that wait for an instance."""

    id: str
    function: str
    state: str
    left: float
    right: float
    """From where to where it lived."""
    marks: tuple[Mark, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A label under the drawing: how long a span or a gap was."""

    left: float
    right: float
    words: str
    silent: bool


@dataclass(frozen=True, slots=True)
class Point:
    """How much there was from here on."""

    x: float
    instances: int
    running: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Latency:
    """How long calls of one kind took."""

    counts: tuple[int, ...]
    total: int
    median_ms: float | None
    slow_ms: float | None
    """What 95 of 100 did not exceed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A function of an application or executor."""

    name: str
    app: str
    instances: int
    running: int
    waiting: int
    calls: int
    cold: int
    failed: int
    median_ms: float | None
    deployed: bool


@dataclass(frozen=True, slots=True)
class Output:
    """A line that a function wrote."""

    clock: str
    instance: str
    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class Board:
    """All that is shown. ``rows`` are newest first, everything else oldest first."""

    kind: Kind
    title: str
    facts: tuple[str, ...]
    clock: str
    """When it looked so."""
    deployed: bool = True
    tiles: tuple[Tile, ...] = ()
    tiles_hidden: int = 0
    running: int = 0
    waiting: int = 0
    cold: int = 0
    warm: int = 0
    failed: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    lanes: tuple[Lane, ...] = ()
    lanes_hidden: int = 0
    pieces: tuple[Piece, ...] = ()
    curve: tuple[Point, ...] = ()
    cold_latency: Latency = Latency((), 0, None, None)
    warm_latency: Latency = Latency((), 0, None, None)
    rows: tuple[Row, ...] = ()
    entries: tuple[Entry, ...] = ()
    log: tuple[Output, ...] = ()
    log_filter: str = ""

    @property
    def instances(self) -> int:
        return len(self.tiles) + self.tiles_hidden

    @property
    def peak_instances(self) -> int:
        return max((point.instances for point in self.curve), default=0)

    @property
    def peak_waiting(self) -> int:
        return max((point.waiting for point in self.curve), default=0)
