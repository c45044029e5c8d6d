"""How long things took, in buckets twenty to a decade: as small after a million calls as after one. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PER_DECADE = 20
_FIRST_DECADE, _LAST_DECADE = -2, 6  # 10 µs to 1,000 s; what is beyond counts in the outermost buckets
BUCKETS = (_LAST_DECADE - _FIRST_DECADE) * PER_DECADE


@dataclass(frozen=True, slots=True)
class Histogram:
    """Durations in ms, counted."""

    counts: tuple[int, ...] = (0,) * BUCKETS

    @property
    def total(self) -> int:
        return sum(self.counts)

    def plus(self, durations_ms: Iterable[float]) -> Histogram:
        """The same with these counted too."""
        counts = list(self.counts)
        for ms in durations_ms:
            counts[bucket(ms)] += 1
        return Histogram(tuple(counts))

    def quantile_ms(self, share: float) -> float | None:
        """What ``share`` of them did not exceed, within a sixteenth; None if there are none."""
        wanted, seen = share * self.total, 0
        for index, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                return math.sqrt(lower_ms(index) * lower_ms(index + 1))
        return None


def bucket(ms: float) -> int:
    """The bucket that a duration counts in."""
    if ms <= 0:
        return 0
    # The nudge keeps 10 ms in the bucket that begins with it.
    index = math.floor((math.log10(ms) - _FIRST_DECADE) * PER_DECADE + 1e-9)
    return min(max(index, 0), BUCKETS - 1)


def lower_ms(index: int) -> float:
    """Where a bucket begins."""
    return float(10 ** (_FIRST_DECADE + index / PER_DECADE))


def roughly(ms: float) -> str:
    """A quantile with no more digits than it has: ``0.42 ms``, ``4.1 ms``, ``41 ms``, ``2.4 s``."""
    if ms < 1:
        return f"{ms:.2f} ms"
    if ms < 10:
        return f"{ms:.1f} ms"
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
