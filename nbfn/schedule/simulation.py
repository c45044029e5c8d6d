"""What a simulation gives: every call, every instance's states, and what it all comes to."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from nbfn.listing import columns
from nbfn.schedule.drawing import draw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nbfn.schedule.orders import State


@dataclass(frozen=True, slots=True)
class PlayedCall:
    """One call. Times are seconds of the simulation."""

    id: str
    function: str
    arrived_s: float
    ended_s: float
    queue_s: float
    """Waited for a place."""
    start_s: float
    """Waited for the start of its instance."""
    start: Literal["cold", "warm", ""]
    """Empty if it was refused."""
    reason: str
    """Why it was cold."""
    instance: str
    status: int
    message: str = ""

    @property
    def total_s(self) -> float:
        return self.ended_s - self.arrived_s


@dataclass(frozen=True, slots=True)
class Span:
    """One instance in one state."""

    instance: str
    function: str
    state: State
    begin_s: float
    end_s: float
    why: str = ""
    """Of a start its reason, of a busy time the call, of a stop its cause."""

    @property
    def took_s(self) -> float:
        return self.end_s - self.begin_s


@dataclass(frozen=True, slots=True)
class Simulation:
    """What happened. A notebook draws it; ``print`` gives the figures."""

    calls: Sequence[PlayedCall]
    """In order of arrival."""
    spans: Sequence[Span]
    """In order of their beginning."""
    ended_s: float
    memory_mb: int

    @property
    def cold(self) -> Counter[str]:
        """Cold starts by reason."""
        return Counter(call.reason for call in self.calls if call.start == "cold")

    @property
    def statuses(self) -> Counter[int]:
        """Calls by status."""
        return Counter(call.status for call in self.calls)

    @property
    def instances(self) -> int:
        """How many were started."""
        return len({span.instance for span in self.spans})

    @property
    def most_instances(self) -> int:
        """How many there were at once, those on their way out counted."""
        steps = [(span.begin_s, 1) for span in self.spans] + [(span.end_s, -1) for span in self.spans]
        here = most = 0
        for _, step in sorted(steps):  # at one moment, ends come first
            here += step
            most = max(most, here)
        return most

    def spent_s(self, *states: State) -> float:
        """Seconds that all instances together were in these states."""
        return sum(span.took_s for span in self.spans if span.state in states)

    def table(self) -> str:
        """Every call, one a line."""
        heads = (
            "arrived",
            "function",
            "start",
            "reason",
            "queue ms",
            "start ms",
            "total ms",
            "instance",
            "status",
        )
        rows = [
            (
                f"{call.arrived_s:.3f}",
                call.function,
                call.start or "-",
                call.reason or "-",
                f"{call.queue_s * 1e3:.0f}",
                f"{call.start_s * 1e3:.0f}",
                f"{call.total_s * 1e3:.0f}",
                call.instance or "-",
                str(call.status),
            )
            for call in self.calls
        ]
        return columns([heads, *rows])

    def document(self) -> dict[str, object]:
        """All of it, fit for JSON."""
        return {
            "calls": [asdict(call) for call in self.calls],
            "spans": [asdict(span) for span in self.spans],
            "ended_s": self.ended_s,
            "memory_mb": self.memory_mb,
        }

    def svg(self) -> str:
        """A line for each instance, over time."""
        return draw(self.spans, self.calls, self.ended_s)

    def __str__(self) -> str:
        cold = sum(self.cold.values())
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.cold.most_common())
        told = f"{len(self.calls)} calls in {self.ended_s:.1f} s: {cold} cold"
        told += f" ({reasons})\n" if reasons else "\n"
        waits = [call.queue_s + call.start_s for call in self.calls if call.start]
        median, most, longest = (_at(waits, share) * 1e3 for share in (0.5, 0.95, 1))
        told += f"waited: median {median:.0f} ms, 95 % within {most:.0f} ms, longest {longest:.0f} ms\n"
        told += f"instances: {self.instances} started, at most {self.most_instances} at once; "
        told += f"busy {self.spent_s('busy'):.1f} s, idle {self.spent_s('idle'):.1f} s"
        for status, count in sorted(self.statuses.items()):
            if status != 200:
                why = next(call.message for call in self.calls if call.status == status)
                told += f"\nstatus {status}: {count}" + (f" ({why})" if why else "")
        return told

    def _repr_html_(self) -> str:
        return f"{self.svg()}<pre>{self}</pre>"


def _at(values: Iterable[float], share: float) -> float:
    """The value that this share is not above; 0 if there is none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
