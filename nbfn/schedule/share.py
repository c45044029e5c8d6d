"""Who gets memory: which instances to start for the calls that wait, and whom to evict for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic

from nbfn.schedule.orders import R

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbfn.schedule.state import Function, Instance


@dataclass(slots=True)
class Shares(Generic[R]):
    """What to do, and the memory that is left then."""

    evict: list[Instance[R]] = field(default_factory=list)
    start: list[Function[R]] = field(default_factory=list)
    """Once for each instance."""
    spare_mb: int = 0
    """What nobody waits for."""


def share_out(
    waiting: Iterable[Function[R]], others: Iterable[Function[R]], free_mb: int, leaving_mb: int
) -> Shares[R]:
    """Share what is free, and what stopping instances will leave, among the functions that wait, in order.

    Idle instances of ``others`` (every function; those of a function that wants some are never idle) make
    room where that is not enough: those that no minimum asks for first, then the rest, the oldest first.
    """
    shares: Shares[R] = Shares()
    soon_mb = free_mb + leaving_mb
    idle: list[Instance[R]] | None = None
    for function in waiting:
        size_mb = function.revision.limits.memory_mb
        for _ in range(function.wanted):
            if soon_mb < size_mb:
                if idle is None:
                    idle = _evictable(others)
                evicted = _enough(idle, size_mb - soon_mb)
                shares.evict += evicted
                soon_mb += sum(each.memory_mb for each in evicted)
            soon_mb -= size_mb
            if soon_mb < 0:
                return shares  # nobody overtakes: a large function would wait for ever
            if size_mb <= free_mb:
                free_mb -= size_mb
                shares.start.append(function)
            else:
                free_mb = 0  # what is free is kept for it until the rest has left
    shares.spare_mb = free_mb
    return shares


def _evictable(functions: Iterable[Function[R]]) -> list[Instance[R]]:
    """Idle instances, the first to go last."""
    ranked = [
        (place >= function.surplus, instance.idle_since, instance)
        for function in functions
        for place, instance in enumerate(function.idle)
    ]
    ranked.sort(key=lambda each: each[:2])
    return [instance for _, _, instance in reversed(ranked)]


def _enough(idle: list[Instance[R]], missing_mb: int) -> list[Instance[R]]:
    """Take from the end of ``idle`` what makes this room; nothing if all of it would not."""
    if sum(each.memory_mb for each in idle) < missing_mb:
        return []
    taken = []
    while missing_mb > 0:
        taken.append(idle.pop())
        missing_mb -= taken[-1].memory_mb
    return taken
