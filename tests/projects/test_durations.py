"""Spans of time, as the Fn CLI writes them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.errors import BadInput
from nbfn.projects.durations import seconds, whole_seconds


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_its_parts_add_up(hours: int, minutes: int, whole: int, ms: int) -> None:
    assert seconds(f"{hours}h{minutes}m{whole}s{ms}ms") == hours * 3600 + minutes * 60 + whole + Fraction(
        ms, 1000
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [("500ms", 0.5), ("1.5s", 1.5), (".5m", 30), ("90", 90), (" 20m ", 1200), ("1h30m", 5400), ("2us", 2e-6)],
)
def test_what_is_written(text: str, found: float) -> None:
    assert float(seconds(text)) == found


@pytest.mark.parametrize("text", ["", "m", "1 h", "-1s", "1d", "1m30", "٣s", "1..s"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(BadInput, match="is not a span of time"):
        seconds(text)


@pytest.mark.parametrize("text", ["0s", "500ms", "1.5s"])
def test_what_is_not_whole(text: str) -> None:
    with pytest.raises(BadInput, match=r"^--x: .* is not whole seconds"):
        whole_seconds(text, "--x")
