"""What the scheduler remembers: functions with the calls that wait, and their instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NamedTuple

from nbfn.schedule.orders import R, State, StopWhy

if TYPE_CHECKING:
    from nbfn.scale import Scale
    from nbfn.spec import ColdReason


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many calls may wait, and for how long. Fn has none: there they wait for ever."""

    calls: int = 5000
    """Of all functions together; more are refused with 503."""
    calls_of_one: int = 1000
    """Of one function; more are refused with 429."""
    wait_s: float = 60.0
    """For a place; longer ones are refused with 503. Waiting for a start has the start's own limit."""
    retry_after_s: int = 15


class Waiting(NamedTuple):
    """A call's place in the line."""

    turn: int
    """Lower ones come first, whatever their function."""
    since: float


@dataclass(slots=True, eq=False)
class Instance(Generic[R]):
    """One instance from the order to start it until it is gone."""

    id: str
    function: Function[R]
    revision: R
    reason: ColdReason
    ahead: bool
    """Started to keep the minimum, not for a call."""
    state: State = "starting"
    call_id: str = ""
    fresh: bool = True
    """Whether a call that gets it now has a cold start."""
    idle_since: float = 0.0
    draining: StopWhy | None = None
    """Why it is stopped after its call."""

    @property
    def memory_mb(self) -> int:
        return self.revision.limits.memory_mb


@dataclass(slots=True, eq=False)
class Function(Generic[R]):
    """One function. The counts are of instances of its current revision, but for ``held``."""

    revision: R
    scale: Scale
    reason: ColdReason
    """Why its next instance will be needed, if it has none."""
    queue: dict[str, Waiting] = field(default_factory=dict)
    """Waiting calls, the next one first."""
    idle: list[Instance[R]] = field(default_factory=list)
    """The newest idle last."""
    starting: int = 0
    busy: int = 0
    held: int = 0
    """All its instances, of old revisions and on their way out, too."""
    setbacks: int = 0
    """Instances that did not start or died, since the last call that went well."""
    keep_after: float = 0.0
    """Nothing is started before, unless a call waits for it."""

    @property
    def current(self) -> int:
        """Instances of its current revision that are there or starting."""
        return self.starting + self.busy + len(self.idle)

    @property
    def surplus(self) -> int:
        """How many idle instances its minimum does not ask for: the oldest ones."""
        return max(0, min(self.current - self.scale.min_instances, len(self.idle)))

    @property
    def wanted(self) -> int:
        """How many more instances its waiting calls want, and its maximum allows."""
        return min(len(self.queue) - self.starting, self.scale.most - self.held)

    @property
    def missing(self) -> int:
        """How many more its minimum wants, and its maximum allows."""
        return min(self.scale.min_instances - self.current, self.scale.most - self.held)

    @property
    def turn(self) -> int:
        """When its oldest waiting call is to be served."""
        return next(iter(self.queue.values())).turn

    def set_back(self, now: float) -> None:
        """An instance of it did not start, or died: the next one for its minimum can wait a little."""
        self.setbacks += 1
        self.keep_after = now + min(_PAUSE_S * 2**self.setbacks, _PAUSE_MAX_S)


_PAUSE_S, _PAUSE_MAX_S = 0.5, 60.0
