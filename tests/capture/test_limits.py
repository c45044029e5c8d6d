"""Sizes are known before anything is pickled, and secrets by their names."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.capture.limits import estimated_size, readable_size, secret_in


@pytest.mark.parametrize(
    "name",
    ["password", "DB_PASSWORD", "api_key", "apiKey", "API_TOKEN", "secret", "secret_word", "aws-secret-key"],
)
def test_secrets(name: str) -> None:
    assert secret_in(name, "x") == name
    assert secret_in("conf", {"a": {name: "x"}}) == f"conf['a'][{name!r}]"
    assert secret_in("conf", SimpleNamespace(**{name: b"x"})) == f"conf.{name}"
    assert secret_in("rows", [{name: "x"}]) == f"rows[0][{name!r}]"


@pytest.mark.parametrize(
    "name", ["tokens_seen", "max_tokens", "tokenizer", "keyboard", "monkey", "passwordless", "key"]
)
def test_no_secrets(name: str) -> None:
    assert secret_in(name, "x") is None


def test_only_text_is_secret() -> None:
    assert secret_in("token", 5) is None
    assert secret_in("password", "") is None
    assert secret_in("tokens", ["a", "b"]) is None


@pytest.mark.parametrize(
    ("value", "at_least", "at_most"),
    [
        (np.zeros(1000), 8000, 8200),
        ([np.zeros(1000)] * 5, 8000, 8300),
        ("x" * 500, 500, 500),
        (SimpleNamespace(data=np.zeros(1000)), 8000, 9000),
        (list(range(1000)), 5000, 20_000),
    ],
)
def test_estimates(value: object, at_least: int, at_most: int) -> None:
    assert at_least <= estimated_size(value) <= at_most


@given(
    st.recursive(
        st.one_of(st.integers(), st.text(), st.floats()),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_an_estimate_is_near_the_pickle(value: object) -> None:
    size = len(pickle.dumps(value, 5))
    assert size / 20 - 50 <= estimated_size(value) <= 12 * size + 50


def test_counting_stops_at_the_limit() -> None:
    endless: list[object] = [0.5] * 10_000_000
    assert estimated_size(endless, limit=1000) > 1000


def test_readable_sizes() -> None:
    assert [readable_size(n) for n in (5, 1500, 64_000_000, 1_250_000)] == [
        "5 bytes",
        "1.5 kB",
        "64 MB",
        "1.2 MB",
    ]
