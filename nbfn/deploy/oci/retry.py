"""Which failed requests to the control plane are sent again, and after how long. No I/O.

As the oci SDK's default strategy: 429, a 409 that says "not now", any 5xx but 501. A connection that broke
is tried again only where nothing can have happened: reading, or when nothing was sent.
"""

from __future__ import annotations

from dataclasses import dataclass

_NOT_NOW = frozenset({"IncorrectState", "LockConflict"})


@dataclass(frozen=True, slots=True)
class Backoff:
    """How patient to be. Waits double, up to a cap, and are spread by chance over the last half."""

    attempts: int = 8
    base_s: float = 0.5
    cap_s: float = 30.0

    def delay_s(self, attempt: int, chance: float, retry_after_s: float | None = None) -> float | None:
        """Seconds to wait after the ``attempt``-th failure (1, 2, …); None to give up.

        ``chance`` is from 0 to 1; ``retry_after_s`` is what the server asked for, which is respected.
        """
        if attempt >= self.attempts:
            return None
        full = min(self.cap_s, self.base_s * 2.0 ** (attempt - 1))
        own = full * (0.5 + chance / 2)
        return own if retry_after_s is None else max(own, min(retry_after_s, self.cap_s))


def is_passing(status: int, code: str) -> bool:
    """True if the same request may well be accepted later."""
    if status == 409:
        return code in _NOT_NOW
    return status == 429 or (status >= 500 and status != 501)


def may_repeat(method: str, *, sent: bool) -> bool:
    """True if a request whose connection failed can be sent again without doing anything twice."""
    return not sent or method == "GET"
