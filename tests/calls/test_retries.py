"""When a call is made again: decided from the error, the attempts and chance alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbfn.calls.retries import Retries
from nbfn.errors import CallRefused, CallTimeout, ExecutorLost, InstanceFailed, PayloadError

REFUSED = [CallRefused("x", status=status) for status in (429, 503)]
BEGAN = [CallRefused("x", status=503, began=True), ExecutorLost("x"), InstanceFailed("x")]
FINAL = [CallRefused("x", status=413), PayloadError("x"), CallTimeout("x"), ValueError("x")]
DICE = st.floats(0, 1)


@given(st.sampled_from(REFUSED + BEGAN + FINAL), st.integers(0, 9), st.integers(1, 9), st.booleans(), DICE)
def test_what_is_made_again(error: Exception, most: int, made: int, idempotent: bool, dice: float) -> None:
    pause_s = Retries(most, idempotent).pause_s(error, made, dice)
    again = made <= most and (error in REFUSED or (error in BEGAN and idempotent))
    assert (pause_s is not None) == again
    assert pause_s is None or 0.05 <= pause_s <= 5


@given(st.integers(1, 40), DICE, DICE)
def test_pauses_grow_and_are_spread(made: int, one: float, other: float) -> None:
    def pause_s(made: int, dice: float) -> float:
        return Retries(100).pause_s(REFUSED[0], made, dice) or 0.0

    assert pause_s(made + 1, one) >= min(5.0, pause_s(made, one))
    assert pause_s(made, max(one, other)) >= pause_s(made, min(one, other))


def test_the_executors_wish_is_heard() -> None:
    assert Retries(1).pause_s(CallRefused("x", status=503, retry_after_s=2.0), 1, 0.0) == 2.0
    assert Retries(1).pause_s(CallRefused("x", status=503, retry_after_s=900.0), 1, 0.0) == 5.0
