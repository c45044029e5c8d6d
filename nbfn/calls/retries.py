"""Whether a call that failed is made once more, and when. Pure: the clock and the dice are the caller's."""

from __future__ import annotations

from dataclasses import dataclass

from nbfn.errors import CallRefused, ExecutorLost, InstanceFailed

_FIRST_S = 0.1
_LONGEST_S = 5.0
_REFUSED_FOR_NOW = (429, 503)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a call may be made again. ``idempotent``: running it twice is as good as once."""

    most: int = 0
    idempotent: bool = False

    def pause_s(self, error: BaseException, made: int, dice: float) -> float | None:
        """Seconds to wait before the next attempt after ``made`` of them; None if there is to be none.

        What was refused before it began is safe to repeat. What may have run is repeated only if it is
        idempotent. What the function itself raised is its answer, and stands. ``dice`` (0 to 1) spreads
        callers that failed together.
        """
        if made > self.most or not (_never_ran(error) or (self.idempotent and _may_have_run(error))):
            return None
        wished_s = error.retry_after_s if isinstance(error, CallRefused) else 0.0
        backoff_s = _FIRST_S * (1 << min(made - 1, 10)) * (0.5 + dice / 2)
        return min(max(wished_s, backoff_s), _LONGEST_S)


def _never_ran(error: BaseException) -> bool:
    return isinstance(error, CallRefused) and error.status in _REFUSED_FOR_NOW and not error.began


def _may_have_run(error: BaseException) -> bool:
    return isinstance(error, ExecutorLost | InstanceFailed) or (
        isinstance(error, CallRefused) and error.status in _REFUSED_FOR_NOW
    )
