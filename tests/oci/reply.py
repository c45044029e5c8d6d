"""What a service of the test server answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reply:
    """``document`` goes as JSON; None: there is no body."""

    status: int
    document: Any
    headers: dict[str, str] = field(default_factory=dict)
