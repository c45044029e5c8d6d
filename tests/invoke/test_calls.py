"""Calls of real instances: values there and back, and what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from nbfn.errors import CallTooLarge, PayloadError
from nbfn.invoke import Caller
from nbfn.invoke.codec import Seal
from nbfn.runtime import wire
from tests.invoke.notebook import deployment
from tests.lacking import lacking
from tests.runtime.instance import KEY, SALT
from tests.runtime.test_pythons import find

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.invoke.notebook import Notebook

    Deploy = Callable[..., Notebook]

ECHO = "def greet(x=None, **more): return x if not more else more"


@pytest.mark.parametrize(
    "value",
    [None, 1.5, "é", [1, {"a": [True]}], (1, 2), {1: {2}}, b"\0", "\ud800", float("inf"), 1j],
)
def test_values_come_back_equal_and_of_their_type(deploy: Deploy, value: object) -> None:
    found = deploy(ECHO).call(value).value
    assert found == value
    assert type(found) is type(value)


def test_a_number_too_long_for_json(deploy: Deploy) -> None:
    assert deploy("def greet(x): return x + 1").call(10**5000).value == 10**5000 + 1


def test_keywords(deploy: Deploy) -> None:
    notebook = deploy(ECHO)
    assert notebook.call(a=1, b="x").value == {"a": 1, "b": "x"}
    assert notebook.call(a=(1,), b="x").value == {"a": (1,), "b": "x"}


def test_the_result_tells_what_it_cost(deploy: Deploy) -> None:
    notebook = deploy("def greet():\n    print('working')\n    return 1")
    first, second = notebook.call(), notebook.call()
    assert (first.start, first.calls_served, first.instance_id) == ("cold", 0, "3f2a")
    assert (second.start, second.calls_served, second.reason) == ("warm", 1, "")
    assert set(first.timings_ms) == {"import", "run", "total"}
    assert set(second.timings_ms) == {"run", "total"}
    assert (second.output, second.output_cut, second.error) == ("working\n", 0, None)


def test_output_that_was_cut_begins_with_a_whole_character(deploy: Deploy) -> None:
    result = deploy("def greet():\n    print('é' * 5000, end='!')").call()
    assert result.output == "é" * 2047 + "!"
    assert result.output_cut == 10_001 - 4_095 - 1


def test_arrays_cross_beside_the_pickle_and_can_be_written(deploy: Deploy) -> None:
    import numpy

    source = """
        def greet(a, b):
            a += 1
            assert a.flags.aligned and a.ctypes.data % 16 == 0
            return {"sum": float(a.sum()), "a": a, "b": b}
    """
    notebook = deploy(source, packages=[str(Path(numpy.__file__).parents[1])])
    a, b = numpy.zeros(300_000), numpy.arange(7, dtype="u1")
    value = notebook.call(a, b).value
    assert value["sum"] == 300_000
    assert a.sum() == 0
    assert numpy.array_equal(value["a"], a + 1)
    assert numpy.array_equal(value["b"], b)
    value["a"][0] = 5.0  # writable, and aligned
    assert value["a"].flags.aligned


def test_a_large_body_both_ways(deploy: Deploy) -> None:
    data = bytes(range(256)) * 20_000
    assert deploy("def greet(x): return x[::-1]").call(data).value == data[::-1]


def test_what_a_target_does_not_take_is_not_sent(deploy: Deploy) -> None:
    notebook = deploy("def greet(x): return len(x)")
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(notebook.instance.socket))) as client:
        caller = Caller(client, body_max_bytes=6 << 20)
        call = (notebook.deployment, ["x" * 6_000_000], {}, notebook.context)
        assert caller.call(*call).value == 6_000_000
        call[1][0] += "x" * 500_000
        with pytest.raises(CallTooLarge, match=r"of greet\(\) take 6.5 MB, and a call there holds 6 MB"):
            caller.call(*call)
    assert notebook.call("abc").calls_served == 1


POINTS = """
from dataclasses import dataclass
from enum import Enum

class Color(Enum):
    RED = 1

@dataclass
class Point:
    x: int
    color: Color = Color.RED

    class Inner:
        pass

def twice(x): return 2 * x

def greet(point, f=None):
    assert type(point) is Point and point.color is Color.RED
    if f is not None:
        return f(point.x)
    return [Point(point.x + 1), Point, twice, Color.RED, Point.Inner]
"""


def test_classes_of_the_notebook_are_the_same_on_both_sides(deploy: Deploy) -> None:
    notebook = deploy(POINTS)
    names = notebook.context.namespace
    value = notebook.call(notebook.new("Point", 1)).value
    point = names["Point"]
    assert value == [notebook.new("Point", 2), point, names["twice"], names["Color"].RED, point.Inner]
    assert type(value[0]) is point
    assert notebook.call(notebook.new("Point", 4), names["twice"]).value == 8
    assert notebook.call(notebook.new("Point", 4), f=len).error is not None


def test_a_class_that_the_notebook_lost(deploy: Deploy) -> None:
    notebook = deploy("class Odd: pass\ndef greet(): return [Odd()]")
    del notebook.context.namespace["Odd"]
    with pytest.raises(PayloadError, match="made of 'Odd', which this notebook does not define"):
        notebook.call()


def test_a_result_that_cannot_be_sent(deploy: Deploy) -> None:
    notebook = deploy("def greet(): return __import__('_thread').allocate_lock()")
    with pytest.raises(PayloadError, match="the result, a lock, cannot be sent"):
        notebook.call()


def test_an_argument_whose_module_is_not_in_the_image(deploy: Deploy) -> None:
    notebook = deploy(ECHO)
    with pytest.raises(
        PayloadError, match="needs the module 'nbfn', which is not in the function's image"
    ) as told:
        notebook.call(notebook.deployment.spec)
    assert told.value.hint == "deploy it with requires=['nbfn'], or use it in the function"


def test_without_a_key_only_json_crosses(deploy: Deploy) -> None:
    notebook = deploy("def greet(x=None): return {1} if x is None else x", env={"NBFN_KEY": ""})
    notebook.deployment = deployment(key=b"")
    assert notebook.call([1]).value == [1]
    with pytest.raises(PayloadError, match=r"argument 'x' of greet\(\) is a set that cannot be sent"):
        notebook.call({1})
    with pytest.raises(PayloadError, match="is not plain JSON, and without a key"):
        notebook.call()


def test_another_key_is_refused_on_both_sides(deploy: Deploy) -> None:
    notebook = deploy("def greet(x=None): return {1}")
    notebook.deployment = deployment(key=b"x" * 32)
    with pytest.raises(PayloadError, match="not sealed with this deployment's key"):
        notebook.call({1})
    with pytest.raises(PayloadError, match=r"the answer was refused: .*not sealed"):
        notebook.call()


ROWS = [{"at": at, "x": [at / 7, None, "é"]} for at in range(4_000)]


def kind_sent(notebook: Notebook, *args: object) -> str:
    """What the next call with ``args`` is sent as."""
    seal = Seal(KEY, SALT)
    return notebook.caller._encoded(notebook.deployment, args, {}, notebook.context, seal).content_type


def test_many_items_are_pickled_once_both_sides_are_known_to_be_of_one_python(deploy: Deploy) -> None:
    notebook = deploy("def greet(rows): return rows")
    assert kind_sent(notebook, ROWS) == wire.CALL_JSON
    assert notebook.call(ROWS).value == ROWS
    assert kind_sent(notebook, ROWS) == wire.CALL_FRAME
    assert notebook.call(ROWS).value == ROWS
    assert kind_sent(notebook, ROWS[:10]) == wire.CALL_JSON


def test_many_items_go_as_json_between_two_pythons(deploy: Deploy) -> None:
    """Also if another kernel has deployed it on another Python meanwhile: what was refused has not run."""
    other = next(filter(None, map(find, ("3.12", "3.13", "3.14"))), None)
    if other is None:
        lacking("there is no other Python on this machine")
    notebook = deploy("def greet(rows): return rows", executable=other)
    notebook.caller._pythons[notebook.deployment.key] = wire.PYTHON  # as it was until now
    assert kind_sent(notebook, ROWS) == wire.CALL_FRAME
    assert notebook.call(ROWS).value == ROWS
    assert kind_sent(notebook, ROWS) == wire.CALL_JSON
