"""Large values beside their pickle: the same comes out, and the pickle itself stays small."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nbfn.runtime.large import LARGE_BYTES, lightened, reducers

DATA = bytes(range(256)) * (LARGE_BYTES // 256)


def crossed(value: Any) -> tuple[Any, int, int]:
    """What comes out at the other side, and the bytes in the pickle and beside it."""
    buffers: list[pickle.PickleBuffer] = []
    pickler = pickle.Pickler(file := io.BytesIO(), protocol=5, buffer_callback=buffers.append)
    pickler.dispatch_table = reducers()
    pickler.dump(lightened(value))
    beside = [memoryview(bytearray(buffer.raw())) for buffer in buffers]
    return pickle.loads(file.getvalue(), buffers=beside), len(file.getvalue()), sum(map(len, beside))


@pytest.mark.parametrize(
    "value",
    [DATA, bytearray(DATA), [DATA, 1], (1, DATA), {"a": DATA, "b": bytearray(DATA)}, ((DATA,), {"x": 1})[0]],
    ids=lambda value: type(value).__name__,
)
def test_bytes(value: Any) -> None:
    found, size, beside = crossed(value)
    assert found == value
    assert type(found) is type(value)
    if isinstance(value, dict):
        assert [type(item) for item in found.values()] == [bytes, bytearray]
    assert size < 1000
    assert beside >= len(DATA)


def test_what_is_the_same_object_is_so_there() -> None:
    data = bytearray(DATA)
    first, second, third = crossed([data, data, bytearray(DATA)])[0]
    assert first is second
    assert third is not first


def test_deeper_ones_and_small_ones_stay_in_the_pickle() -> None:
    value = {"a": [DATA], "b": b"small"}
    found, size, beside = crossed(value)
    assert (found, beside) == (value, 0)
    assert size > len(DATA)


@given(
    st.recursive(
        st.none() | st.binary() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x) | st.tuples(x, x),
    )
)
def test_anything_comes_out_equal(value: Any) -> None:
    found = crossed(value)[0]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(40_000.0),
        np.asfortranarray(np.arange(40_000.0).reshape(200, 200)),
        np.arange(80_000.0)[::2],
        np.arange(80_000.0).reshape(200, 400)[:, ::-2],
        np.array([("a", 1.5)] * 9000, dtype=[("name", "U4"), ("value", "f8")])[::2],
    ],
    ids=["contiguous", "fortran", "every other", "backwards", "records"],
)
def test_arrays(array: np.ndarray[Any, Any]) -> None:
    found, size, beside = crossed(array)
    assert np.array_equal(found, array)
    assert found.dtype == array.dtype
    assert found.flags.writeable
    assert found.flags.fnc == array.flags.fnc
    assert size < 1000
    assert beside == array.nbytes


def test_arrays_of_objects_and_what_derives_from_arrays() -> None:
    objects = np.array([{"a": 1}, None, "x"], dtype=object)
    assert crossed(objects[::2])[0].tolist() == [{"a": 1}, "x"]
    masked = np.ma.masked_array([1, 2, 3], [False, True, False])
    found = crossed(masked)[0]
    assert type(found) is type(masked)
    assert found.mask.tolist() == [False, True, False]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "F"])
def test_images(mode: str) -> None:
    image = Image.linear_gradient("L").resize((800, 800)).convert(mode)
    image.info["dpi"] = (72, 72)
    found, size, beside = crossed(image)
    assert (found.mode, found.size, found.info) == (image.mode, image.size, image.info)
    assert found.tobytes() == image.tobytes()
    assert found.getpalette() == image.getpalette()
    assert beside == len(image.tobytes())
    assert size < 3000
    found.putpixel((0, 0), found.getpixel((1, 1)))  # writable


def test_frames_and_tables() -> None:
    frame = pd.DataFrame({"a": np.arange(20_000.0), "b": np.arange(20_000), "c": ["x", "y"] * 10_000})
    found, size, beside = crossed(frame)
    pd.testing.assert_frame_equal(found, frame)
    found.loc[0, "a"] = 5.0
    assert beside >= 320_000
    assert size < 300_000
