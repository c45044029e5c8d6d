"""How many instances a function has, and how a Fn server is told: by annotations."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Mapping

MIN_ANNOTATION = "nbfn.org/min-instances"
MAX_ANNOTATION = "nbfn.org/max-instances"

MIN_INSTANCES = range(100 + 1)
MAX_INSTANCES = range(1, 1000 + 1)


@dataclass(frozen=True, slots=True)
class Scale:
    """Bounds of the number of a function's instances. Checked when made; a change replaces no instance.

    Raises:
        LimitError: a number out of range, or a minimum above the maximum.
    """

    min_instances: int = 0
    """Kept ready, whether there are calls or not, as far as memory allows."""
    max_instances: int | None = None
    """Never more at once, counting those that are on their way out; None: as many as calls want."""

    def __post_init__(self) -> None:
        _check("min-instances", self.min_instances, MIN_INSTANCES)
        if self.max_instances is not None:
            _check("max-instances", self.max_instances, MAX_INSTANCES)
        if self.min_instances > self.most:
            raise LimitError(
                f"min-instances is {self.min_instances}, max-instances {self.max_instances}",
                hint="the minimum may not be above the maximum",
            )

    @property
    def most(self) -> int:
        """The maximum as a number."""
        return sys.maxsize if self.max_instances is None else self.max_instances

    @classmethod
    def of(cls, annotations: Mapping[str, object]) -> Scale:
        """What a function's annotations say. Raises LimitError."""
        least, most = annotations.get(MIN_ANNOTATION), annotations.get(MAX_ANNOTATION)
        # Whatever is there is checked before it is used, so it need not be known to be a number.
        return cls(0 if least is None else least, most)  # type: ignore[arg-type]

    def annotations(self) -> dict[str, int]:
        """What says this; nothing for what is the default."""
        told = {MIN_ANNOTATION: self.min_instances or None, MAX_ANNOTATION: self.max_instances}
        return {name: value for name, value in told.items() if value is not None}

    def __str__(self) -> str:
        """As a table shows it: ``any number``, ``at least 1``, ``at most 5``, ``1 to 5``."""
        least, most = self.min_instances, self.max_instances
        if most is None:
            return f"at least {least}" if least else "any number"
        return f"{least} to {most}" if least else f"at most {most}"


def _check(what: str, value: object, allowed: range) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise LimitError(
            f"{what} is {value!r}", hint=f"use a whole number from {allowed[0]} to {allowed[-1]}"
        )
