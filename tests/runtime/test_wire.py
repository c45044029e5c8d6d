"""What may cross as JSON, and frames that nobody has touched."""

from __future__ import annotations

import json
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.runtime import wire

KEY, SALT = b"k" * 32, b"s" * 16

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(st.text(st.characters(), max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


def same(a: object, b: object) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return a == b and (not isinstance(a, float) or math.copysign(1, a) == math.copysign(1, b))


@given(anything)
def test_what_is_plain_comes_back_the_same(value: object) -> None:
    if wire.is_plain(value):
        assert same(json.loads(json.dumps(value, ensure_ascii=False).encode()), value)


@pytest.mark.parametrize(
    "value",
    [
        (1,),
        {1: 2},
        math.nan,
        math.inf,
        b"",
        {"a": {3}},
        True + 0j,
        "\ud800",
        "\ud800\udc00",
        {"\udc00": 1},
    ],
)
def test_not_plain(value: object) -> None:
    assert not wire.is_plain(value)
    assert not wire.is_plain([value])


def test_what_else_is_not_plain() -> None:
    assert not wire.is_plain(10**5000)

    class Text(str):
        __slots__ = ()

    assert not wire.is_plain(Text("a"))
    deep: list[object] = []
    for _ in range(80):
        deep = [deep]
    assert not wire.is_plain(deep)


@given(st.binary(max_size=100), st.lists(st.binary(max_size=20), max_size=4), st.sampled_from([1, 2, 3]))
def test_frames_come_back(pickled: bytes, buffers: list[bytes], kind: int) -> None:
    frame = b"".join(wire.seal(kind, pickled, [memoryview(b) for b in buffers], KEY, SALT))
    found, views = wire.unseal(frame, kind, KEY, SALT)
    assert bytes(found[: len(pickled)]) == pickled
    assert not any(found[len(pickled) :])
    assert [bytes(view) for view in views] == buffers


@given(st.data())
def test_a_frame_that_was_touched_is_refused(data: st.DataObject) -> None:
    pickled, buffers = b"pickle." * 5, [memoryview(b"inert")]
    frame = bytearray(b"".join(wire.seal(1, pickled, buffers, KEY, SALT)))
    at = data.draw(st.integers(0, len(frame) - 1 - len(b"inert")))
    frame[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(wire.FrameError):
        wire.unseal(frame, 1, KEY, SALT)


@given(st.integers(0, 200))
def test_a_frame_that_was_cut_is_refused(length: int) -> None:
    frame = b"".join(wire.seal(1, b"pickle." * 5, [memoryview(b"inert")], KEY, SALT))
    with pytest.raises(wire.FrameError):
        wire.unseal(frame[: min(length, len(frame) - 1)], 1, KEY, SALT)


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    for data in (noise, b"nbfn" + noise):
        with pytest.raises(wire.FrameError):
            wire.unseal(data, 1, KEY, SALT)


def test_key_salt_and_kind_matter() -> None:
    frame = b"".join(wire.seal(1, b"p", [], KEY, SALT))
    for kind, key, salt in ((2, KEY, SALT), (1, b"x" * 32, SALT), (1, KEY, b"x" * 16), (1, b"", SALT)):
        with pytest.raises(wire.FrameError):
            wire.unseal(frame, kind, key, salt)


def test_the_first_buffer_is_aligned() -> None:
    for size in range(70):
        parts = wire.seal(1, b"p" * size, [memoryview(b"x")], KEY, SALT)
        assert sum(map(len, parts[:3])) % 64 == 0


def test_another_minor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = b"".join(wire.seal(1, b"p", [], KEY, SALT))
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    with pytest.raises(wire.FrameError, match=r"pickled by Python 3\.\d+, and this is 3\.99"):
        wire.unseal(frame, 1, KEY, SALT)
