"""Waiting for what comes by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 60.0


def until(true: Callable[[], object]) -> None:
    """Returns once it is true; a minute later it fails."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "it has not become so"
        time.sleep(0.01)
