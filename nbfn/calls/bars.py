"""How far a map is, shown while somebody waits for it, where there is somewhere to show it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_S = 0.5
"""What is over sooner is not shown at all."""
EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a map of ``name`` stands. ``total`` is None while the inputs are still being read."""

    name: str
    done: int
    failed: int
    total: int | None
    seconds: float
    is_waited_for: bool
    """False once it is over, or nobody waits any more."""


class Bar(Protocol):
    """One map's, drawn again and again on the thread that waits."""

    def draw(self, standing: Standing) -> None:
        """Show it instead of what was shown before."""
        ...


_make: Callable[[], Bar] | None = None


def show_maps(make: Callable[[], Bar] | None) -> None:
    """From now on each map that takes long gets a bar of ``make``; None: no map does."""
    global _make
    _make = make


class Pace:
    """When to draw: after half a second for the first time, and in the main thread alone."""

    def __init__(self, stands: Callable[[float, bool], Standing], *, wanted: bool) -> None:
        self._stands = stands
        self._bar: Bar | None = None
        self._began = monotonic()
        self._due = self._began + FIRST_S
        # In another thread it would end up under whichever cell happens to run.
        here = threading.current_thread() is threading.main_thread()
        self._make = _make if wanted and here else None

    @property
    def pause_s(self) -> float | None:
        """How long to wait for anything before it is to be drawn; None: as long as it takes."""
        return None if self._make is None else max(0.0, self._due - monotonic())

    def tick(self) -> None:
        """Draw, if it is time to."""
        if self._make is None or (now := monotonic()) < self._due:
            return
        if self._bar is None:
            self._bar = self._make()
        self._due = now + EVERY_S
        self._bar.draw(self._stands(now - self._began, True))

    def end(self) -> None:
        """Draw for the last time, if anything was drawn."""
        if self._bar is not None:
            self._bar.draw(self._stands(monotonic() - self._began, False))
