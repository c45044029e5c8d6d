"""The tail of what a call writes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbfn.runtime.output import Tail


@given(st.lists(st.binary(max_size=40)), st.integers(1, 30))
def test_the_tail_is_the_end_and_the_rest_is_counted(writes: list[bytes], size: int) -> None:
    tail = Tail(size)
    for data in writes:
        tail.add(data)
    whole = b"".join(writes)
    assert tail.take() == (whole[-size:], max(0, len(whole) - size))
    tail.begin()
    assert tail.take() == (b"", 0)
