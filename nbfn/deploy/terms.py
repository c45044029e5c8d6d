"""On what terms a server makes, changes or removes an object: as OCI has them, and no Fn server."""

from __future__ import annotations

from dataclasses import dataclass

from nbfn.errors import BadInput

STATES = ("CREATING", "ACTIVE", "INACTIVE", "UPDATING", "DELETING", "DELETED", "FAILED")
"""What an application or function of OCI's can be in."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an application or function of OCI's must still be, and what it is waited for to become."""

    if_match: str = ""
    """The etag that ``nbfn inspect`` shows: what has another one by now is not touched."""
    state: str = ""
    """Wait until it is in this state, one of :data:`STATES`; empty: until OCI's work request is done."""
    limit_s: float = 1200.0
    """How long it is waited for."""
    every_s: float = 5.0
    """How often it is looked at."""

    def __post_init__(self) -> None:
        if self.state and self.state not in STATES:
            raise BadInput(f"no application or function is {self.state!r}", hint=f"use {', '.join(STATES)}")
        if self.limit_s <= 0 or self.every_s <= 0:
            raise BadInput(
                f"it is waited for {self.limit_s} s, and looked at every {self.every_s} s",
                hint="give times of more than 0 s",
            )

    def __bool__(self) -> bool:
        return bool(self.if_match or self.state)


USUAL = Terms()
"""None."""
