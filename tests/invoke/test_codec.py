"""Arguments that cannot travel are named, with where in them and why."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.errors import PayloadError
from nbfn.invoke.codec import Seal, decode_result, encode_call, load
from nbfn.runtime import wire
from tests.invoke.notebook import context_of, run_cell

SEAL = Seal(b"k" * 32, b"s" * 16)
CELL = """
class Model:
    def __init__(self, part): self.part = part

class Point:
    pass

def helper(): return lambda: 1

def greet(model, *rest, point=None): ...
"""


@pytest.fixture
def context():
    return context_of(CELL)


def refuse(context, *args: object, **kwargs: object) -> str:
    with pytest.raises(PayloadError) as caught:
        encode_call("greet", args, kwargs, context, SEAL)
    return str(caught.value)


def test_the_path_to_the_culprit(context) -> None:
    lock = threading.Lock()
    model = context.namespace["Model"]({"inner": [1, lock]})
    text = refuse(context, model)
    assert "argument 'model' of greet() is a Model, and its part .part['inner'][1], a _thread.lock," in text
    assert "cannot pickle '_thread.lock' object" in text
    assert "argument 2 of greet() is a _thread.lock that cannot be sent" in refuse(context, 1, lock)
    assert "argument 'point' of greet()" in refuse(context, 1, point=lock)


def test_a_generator(context) -> None:
    assert "argument 'model' of greet() is a generator that cannot be sent" in refuse(
        context, (n for n in [])
    )


def test_lambdas_and_closures(context) -> None:
    namespace = context.namespace
    exec("f = lambda: 1", namespace)
    for f in (namespace["f"], namespace["helper"]()):
        text = refuse(context, [f])
        assert "its part [0], a function, cannot be sent" in text
        assert "define it with a name at the top of a cell" in text


def test_a_class_that_func_py_does_not_have(context) -> None:
    exec("class New: pass", context.namespace)
    text = refuse(context, context.namespace["New"]())
    assert "the class 'New' of this notebook is not among what the function was deployed with" in text
    assert "mention New in the function" in text


def test_an_object_older_than_its_class(context) -> None:
    old = context.namespace["Point"]()
    exec("class Point: pass", context.namespace)
    text = refuse(context, old)
    assert "of an older 'Point' than the notebook has now" in text
    assert "make it again" in text


def test_a_loop_in_the_argument_ends(context) -> None:
    loop: list[object] = [threading.Lock()]
    loop.append(loop)
    assert "[0], a _thread.lock" in refuse(context, loop)


def test_names_of_a_module_go_by_reference_to_func() -> None:
    namespace = run_cell(CELL)
    namespace["__name__"] = "some.module"
    exec("class Other: pass", namespace)
    context = context_of(CELL, namespace)
    body = encode_call("greet", [namespace["Other"]()], {}, context, SEAL)
    assert body.content_type == wire.CALL_FRAME
    assert b"some.module" not in b"".join(body.parts)
    assert body.length == len(b"".join(body.parts))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(plain)
def test_plain_values_go_as_json(value: object) -> None:
    body = encode_call("greet", [value], {}, context_of(""), SEAL)
    assert body.content_type == wire.CALL_JSON


def test_answers_that_are_not_what_they_say(context) -> None:
    for body in (b"", b"{}", b"[]", b"\xff", b"[" * 100_000):
        with pytest.raises(PayloadError, match="not JSON as it says"):
            decode_result(wire.RESULT_JSON, bytearray(body), context, SEAL)
    frame = b"".join(wire.seal(wire.KIND_RESULT, b"not a pickle", [], SEAL.key, SEAL.salt))
    with pytest.raises(PayloadError, match="the result cannot be rebuilt here"):
        load(wire.KIND_RESULT, frame, context, SEAL)
    missing = b"cno_such_module\nX\n."
    frame = b"".join(wire.seal(wire.KIND_RESULT, missing, [], SEAL.key, SEAL.salt))
    with pytest.raises(PayloadError, match="needs the module 'no_such_module', which is not installed here"):
        load(wire.KIND_RESULT, frame, context, SEAL)


@given(st.data())
def test_a_result_that_was_touched_is_never_unpickled(data: st.DataObject) -> None:
    touched = b"cbuiltins\nexit\n(I7\ntR."  # would end the tests
    frame = bytearray(b"".join(wire.seal(wire.KIND_RESULT, touched, [], b"another key", SEAL.salt)))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(0, 255))
    with pytest.raises(PayloadError, match="the answer was refused"):
        load(wire.KIND_RESULT, frame, context_of(""), SEAL)
