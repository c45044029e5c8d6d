"""The small JSON codec against the standard one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.runtime import jsontext

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_it_writes_what_json_reads(value: object) -> None:
    assert json.loads(jsontext.dumps(value)) == value


@given(json_values, st.sampled_from(["", " ", "\n", "\t\r\n "]), st.booleans())
def test_it_reads_what_json_writes(value: object, space: str, ascii_only: bool) -> None:
    text = space + json.dumps(value, ensure_ascii=ascii_only) + space
    assert jsontext.loads(text) == value


@given(st.text(alphabet='{}[]",:0123456789.eE-+ntrufalse \\x\n', max_size=12))
def test_it_refuses_what_json_does(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):
            jsontext.loads(text)
    else:
        assert jsontext.loads(text) == expected


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", "", "1 2", "[1,]", "{'a': 1}"])
def test_it_is_strict(text: str) -> None:
    with pytest.raises(ValueError):
        jsontext.loads(text)


def test_it_survives_what_is_too_deep() -> None:
    with pytest.raises(RecursionError):
        jsontext.loads("[" * 100_000)
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(RecursionError):
        jsontext.dumps(loop)


def test_surrogates_become_escapes() -> None:
    assert json.loads(jsontext.dumps("a\ud800é")) == "a\ud800é"
