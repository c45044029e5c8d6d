"""What a function yields arrives as values of the notebook, and what it raises as its exception."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbfn.errors import InstanceFailed, PayloadError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.invoke.notebook import Notebook

    Deploy = Callable[..., Notebook]

SOURCE = """
class Point:
    def __init__(self, x):
        self.x = x

def greet(count, fail=False):
    print("yielding")
    for number in range(count):
        yield number
        yield Point(number)
    if fail:
        raise ValueError("no more")
"""


def test_values_of_the_notebook_and_what_the_call_cost(deploy: Deploy) -> None:
    notebook = deploy(SOURCE)
    stream = notebook.stream(2)
    assert stream.result is None
    first, point, second, _ = stream
    assert (first, second) == (0, 1)
    assert type(point) is notebook.context.namespace["Point"]
    assert stream.result is not None
    assert (stream.result.output, stream.result.start, stream.result.value) == ("yielding\n", "cold", None)
    assert stream.result.timings_ms.keys() == {"import", "run", "total"}
    assert list(notebook.stream(0)) == []
    assert notebook.call().error is not None  # a call of the same connection


def test_long_lists_arrive_as_they_were(deploy: Deploy) -> None:
    notebook = deploy(
        "def greet(size):\n    yield list(range(size))\n    yield {'rows': [[0.5] * size]}\n    yield size\n"
    )
    assert list(notebook.stream(30_000)) == [list(range(30_000)), {"rows": [[0.5] * 30_000]}, 30_000]


def test_what_it_raises_comes_after_what_it_has_yielded(deploy: Deploy) -> None:
    stream = deploy(SOURCE).stream(1, fail=True)
    assert [next(stream), next(stream).x] == [0, 0]  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="no more") as caught:
        next(stream)
    assert stream.result is not None
    assert stream.result.error is caught.value
    assert 'raise ValueError("no more")' in "".join(traceback.format_exception(caught.value))
    with pytest.raises(StopIteration):
        next(stream)


def test_a_large_value_can_be_written(deploy: Deploy) -> None:
    import numpy

    source = "def greet(n):\n    import numpy\n    yield numpy.zeros(n)\n    yield 1"
    notebook = deploy(source, packages=[str(Path(numpy.__file__).parents[1])])
    array, one = notebook.stream(300_000)
    array[0] = 1  # type: ignore[index]
    assert (array.shape, array.flags.aligned, one) == ((300_000,), True, 1)  # type: ignore[attr-defined]


def test_closing_it_ends_the_call(deploy: Deploy, state: Path) -> None:
    notebook = deploy(
        f"""
        def greet():
            try:
                while True:
                    yield "x" * 10_000
            finally:
                open("{state}/closed", "w").close()
        """
    )
    stream = notebook.stream()
    next(stream)
    stream.close()
    assert notebook.call(1).error is not None
    assert (state / "closed").exists()


def test_an_instance_that_dies_meanwhile(deploy: Deploy) -> None:
    stream = deploy("def greet():\n    yield 1\n    __import__('os')._exit(3)").stream()
    assert next(stream) == 1
    with pytest.raises(InstanceFailed, match=r"greet\(\) broke off after 1 values"):
        next(stream)


def test_a_function_that_does_not_yield(deploy: Deploy) -> None:
    notebook = deploy("def greet(x): return 1 / x")
    with pytest.raises(PayloadError, match=r"greet\(\) returned a result and yielded nothing"):
        notebook.stream(1)
    with pytest.raises(ZeroDivisionError):
        notebook.stream(0)


def test_a_function_that_yields_and_is_called_for_one_result(deploy: Deploy) -> None:
    with pytest.raises(PayloadError, match=r"call it with \.stream\(\)"):
        deploy(SOURCE).call(1)
