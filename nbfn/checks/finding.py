"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``problem``: it will not work so; ``warn``: some of it will not."""

    subject: str
    status: Status
    message: str
    advice: str = ""
    """What to do; empty if there is nothing to be done."""
