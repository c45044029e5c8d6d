"""Time on paper: what happened is drawn, the silence between is folded away. Pure.

A cold start of 15 ms, a warm call of 5 ms a minute later and a burst of two seconds are all to be seen at
once. So time is cut into spans in which something happened, each drawn as wide as the root of how long it
was, and into gaps, all of one width. Each says how long it was.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SPANS_MAX = 8
WINDOW_S = 60.0
_JOINED_S = 0.05  # silences shorter than this are none
_JOINED_SHARE = 40  # nor are those shorter than so much of all that is shown
_GAP = 0.04
_LEAST_SHARE = 0.08
_LEAST_S = 0.001


@dataclass(frozen=True, slots=True)
class Span:
    """Time from ``begin`` to ``end`` (s), drawn from ``left`` to ``right`` (0 to 1)."""

    begin: float
    end: float
    left: float
    right: float

    @property
    def seconds(self) -> float:
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Axis:
    """Where each moment is drawn, from 0 to 1."""

    spans: tuple[Span, ...] = ()

    @property
    def begin(self) -> float:
        return self.spans[0].begin if self.spans else 0.0

    def x(self, at: float) -> float:
        """Grows with ``at``; what is outside is drawn at the edge."""
        if not self.spans or at <= self.spans[0].begin:
            return 0.0
        index = bisect_right(self.spans, at, key=lambda span: span.begin) - 1
        span = self.spans[index]
        if at <= span.end:
            return span.left + (span.right - span.left) * (at - span.begin) / max(span.seconds, 1e-9)
        if index + 1 == len(self.spans):
            return 1.0
        after = self.spans[index + 1]
        return span.right + (after.left - span.right) * (at - span.end) / (after.begin - span.end)


def make_axis(intervals: Iterable[tuple[float, float]]) -> Axis:
    """The axis on which the last of ``intervals`` (begin and end of something, s) are seen."""
    ordered = sorted((begin, max(end, begin)) for begin, end in intervals)
    if not ordered:
        return Axis()
    newest = max(end for _, end in ordered)
    oldest = max(ordered[0][0], newest - WINDOW_S)
    shown = [(max(begin, oldest), end) for begin, end in ordered if end >= oldest]
    joined = _clusters(shown, max(_JOINED_S, (newest - oldest) / _JOINED_SHARE))[-SPANS_MAX:]
    return _placed([(begin, max(end, begin + _LEAST_S)) for begin, end in joined])


def _clusters(ordered: Sequence[tuple[float, float]], silence_s: float) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for begin, end in ordered:
        if found and begin - found[-1][1] <= silence_s:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def _placed(clusters: Sequence[tuple[float, float]]) -> Axis:
    weights = [(end - begin) ** 0.5 for begin, end in clusters]
    least = _LEAST_SHARE * sum(weights)
    weights = [max(weight, least) for weight in weights]
    unit = (1 - _GAP * (len(clusters) - 1)) / sum(weights)
    spans, left = [], 0.0
    for (begin, end), weight in zip(clusters, weights, strict=True):
        right = min(left + weight * unit, 1.0)
        spans.append(Span(begin, end, left, right))
        left = right + _GAP
    return Axis(tuple(spans))
