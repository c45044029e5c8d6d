"""Schedulers of functions that are nothing but what deciding needs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.schedule.scheduler import Scheduler
from nbfn.spec import Limits

if TYPE_CHECKING:
    from nbfn.schedule.state import Bounds

BUDGET_MB = 1000


@dataclass(frozen=True)
class Version:
    """All that deciding needs of a function."""

    fn_id: str
    limits: Limits
    number: int = 1


def revision(fn_id: str, *, memory_mb: int = 100, idle_timeout_s: int = 30, version: int = 1) -> Version:
    return Version(fn_id, Limits(memory_mb, 30, idle_timeout_s), version)


def make(*revisions: Version, memory_mb: int = BUDGET_MB, bounds: Bounds | None = None) -> Scheduler[Version]:
    numbers = itertools.count(1)
    made: Scheduler[Version] = Scheduler(memory_mb, lambda: f"i{next(numbers)}", bounds)
    for each in revisions:
        made.deploy(each, 0.0)
    return made
