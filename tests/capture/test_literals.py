"""Literals give the value back, whatever it is."""

from __future__ import annotations

import ast
import datetime
import math
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.capture.literals import literal

ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.complex_numbers(allow_nan=False, allow_infinity=False),
)
KEYS = st.one_of(st.text(string.ascii_letters), st.integers(), st.tuples(st.integers(), st.text(max_size=3)))
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.tuples(inner, inner),
        st.dictionaries(KEYS, inner, max_size=4),
        st.sets(KEYS, max_size=4),
        st.frozensets(KEYS, max_size=4),
    ),
    max_leaves=12,
)


def nameless(value: object, /) -> None:
    return None


@given(VALUES)
def test_a_literal_evaluates_to_the_value(value: object) -> None:
    text = literal(value, nameless)
    if text is None:
        assert len(repr(value)) > 200
        return
    again = eval(text, {})
    assert again == value
    assert type(again) is type(value)
    assert repr(again) == repr(value) or "{" in repr(value)  # sets have no order of their own


@given(st.text(alphabet=st.sampled_from("ab \n\\\"'\t\r\u2028é")))
def test_text_of_several_lines_survives(text: str) -> None:
    found = literal(text, nameless)
    assert found is not None
    assert ast.literal_eval(found) == text
    # func.py is written as lines: none of them may depend on where a text editor ends a line.
    assert "\n".join(found.split("\n")) == found
    assert "\r" not in found


@given(st.sets(st.text(max_size=4), max_size=6))
def test_sets_are_written_in_one_order(value: set[str]) -> None:
    assert literal(value, nameless) == literal({*reversed(list(value))}, nameless)


def test_nan_and_infinities() -> None:
    assert math.isnan(eval(literal(math.nan, nameless) or ""))
    assert eval(literal([-math.inf], nameless) or "") == [-math.inf]


class _Text(str):
    __slots__ = ()


NO_LITERALS = {
    "huge int": 10**5000,
    "long text": ["x" * 2000],
    "long list": list(range(1000)),
    "object": object(),
    "list of objects": [object()],
    "subclass": _Text("a"),
}


@pytest.mark.parametrize("value", NO_LITERALS.values(), ids=NO_LITERALS.keys())
def test_what_is_long_or_not_plain_has_no_literal(value: object) -> None:
    assert literal(value, nameless) is None


def test_a_circle_has_no_literal() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert literal(circle, nameless) is None


@given(st.one_of(st.datetimes(), st.dates(), st.times(), st.timedeltas()))
def test_dates_and_times(value: object) -> None:
    def named(item: object, /) -> str | None:
        return f"datetime.{item.__name__}" if isinstance(item, type) else None

    assert eval(literal(value, named) or "", {"datetime": datetime}) == value
