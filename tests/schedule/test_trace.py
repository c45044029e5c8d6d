"""Traces: read from files and texts, or generated."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.errors import BadInput
from nbfn.schedule import Arrival, burst, poisson
from nbfn.schedule.trace import trace_of

if TYPE_CHECKING:
    from pathlib import Path

CSV = """at_s,function,run_s,kind
2, large, 1.5,
0.5, , ,
3, large, , crash
"""
ARRIVALS = [Arrival(0.5), Arrival(2, "large", 1.5), Arrival(3, "large", kind="crash")]


def test_a_file_may_be_csv_or_json_and_need_not_be_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    assert trace_of(tmp_path / "a.csv") == ARRIVALS
    large = {"at_s": 2, "function": "large", "run_s": 1.5}
    rows = [{"at_s": 3, "function": "large", "kind": "crash"}, large, 0.5]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    assert trace_of(str(tmp_path / "a.json")) == ARRIVALS


def test_numbers_are_calls_at_these_seconds() -> None:
    assert trace_of([2, 1.5, Arrival(0, "g")]) == [Arrival(0, "g"), Arrival(1.5), Arrival(2)]


def test_texts_generate() -> None:
    assert trace_of("poisson:5:10", seed=3) == poisson(5, 10, seed=3)
    assert trace_of("burst:3") == [Arrival(0.0)] * 3
    assert trace_of("burst:4:2") == burst(4, 2) == [Arrival(each) for each in (0.0, 0.5, 1.0, 1.5)]


@given(st.floats(0.1, 50), st.integers(0, 2**32))
def test_poisson_is_in_order_within_its_time_and_repeatable(rate: float, seed: int) -> None:
    made = poisson(rate, 20, seed=seed)
    assert made == poisson(rate, 20, seed=seed)
    assert made == sorted(made, key=lambda each: each.at_s)
    assert all(0 < each.at_s <= 20 for each in made)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("at_s\nsoon\n", "line 2: at_s is 'soon'"),
        ("at_s\n1\n-1\n", "line 3: at_s is -1.0"),
        ("at_s,kind\n1,flood\n", "line 2: kind is 'flood'"),
        ("when\n1\n", "line 2: {'when': '1'} is no arrival"),
        ('[{"at_s": 1, "run_s": "long"}]', "item 1: run_s is 'long'"),
        ("[1, ", "is no JSON"),
        ("", "holds no call"),
        ("at_s\n", "holds no call"),
        ("[]", "holds no call"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad").write_text(text)
    with pytest.raises(BadInput) as caught:
        trace_of(tmp_path / "bad")
    assert said in caught.value.message


@pytest.mark.parametrize(
    "text",
    ["poisson:5", "poisson:a:b", "burst:1.5", "poisson:-1:5", "no.csv", "poisson:1e9:1e6", "burst:1e9"],
)
def test_what_is_no_trace_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        trace_of(text)
