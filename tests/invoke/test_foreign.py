"""Calls of functions that know nothing of nbfn."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.errors import ArgumentsError, PayloadError
from nbfn.invoke import foreign

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def body_of(*args: object, **kwargs: object) -> tuple[str, bytes]:
    body = foreign.encode("f", args, kwargs)
    return body.content_type, b"".join(body.parts)


@given(JSON)
def test_what_is_sent_comes_back(value: Any) -> None:
    assert foreign.decode(*body_of(value)) == value


def test_how_a_call_becomes_a_body() -> None:
    assert body_of() == ("application/json", b"")
    assert body_of(name="Ana", n=1) == ("application/json", b'{"name": "Ana", "n": 1}')
    assert body_of(b"\x00\x01") == ("application/octet-stream", b"\x00\x01")
    for args, kwargs in (((1, 2), {}), ((1,), {"name": 2})):
        with pytest.raises(ArgumentsError, match=r"f\(\) takes one value, or keywords"):
            foreign.encode("f", args, kwargs)
    for value in ({1, 2}, float("nan"), object()):
        with pytest.raises(PayloadError, match=r"f\(\) is sent JSON"):
            foreign.encode("f", (value,), {})


@pytest.mark.parametrize(
    ("kind", "body", "value"),
    [
        ("application/json; charset=utf-8", b'{"a": 1}\n', {"a": 1}),
        ("application/problem+json", b"[]", []),
        ("text/plain; charset=utf-8", b'{"message":"Hello"}\n', {"message": "Hello"}),
        ("text/plain; charset=utf-8", b'"Hello \\u00e9"\n', "Hello é"),
        ("text/plain", b'"Hello", she said', '"Hello", she said'),
        ("text/plain", b'"a" and "b"', '"a" and "b"'),
        ("text/plain", b"42", "42"),
        ("text/plain", b"{not json", "{not json"),
        ("text/html", "<b>é</b>".encode(), "<b>é</b>"),
        ("", b"42", 42),
        ("", b"word", "word"),
        ("application/json", b"word", "word"),
        ("image/png", b"\x89PNG", b"\x89PNG"),
        ("text/plain", b"\xff", b"\xff"),
        ("application/json", b"", None),
    ],
)
def test_what_an_answer_is(kind: str, body: bytes, value: object) -> None:
    assert foreign.decode(kind, body) == value


def test_who_failed() -> None:
    assert foreign.raised(b'{"message":"function failed: boom"}') == "function failed: boom"
    assert foreign.raised(b'{"message":"error receiving function response"}') == ""
    assert foreign.raised(b"<html>") == ""
