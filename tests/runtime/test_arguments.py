"""From a body to arguments."""

from __future__ import annotations

import functools
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.runtime.arguments import Parameters, fit, fit_nothing, parameters_of
from nbfn.runtime.errors import BadArguments


def none(): ...
def one(x): ...
def maybe(x=1): ...
def two(x, y): ...
def some(x, y=1, *, z=2): ...
def named(*, x): ...
def rest(x, y, *args): ...
def options(x, **kwargs): ...
def positional(x, y, /): ...
def anything(*args, **kwargs): ...
def needs_named(x, *, z): ...
def raw(data: bytes): ...
def not_raw(data: bytes, n: int = 0): ...


@pytest.mark.parametrize(
    ("function", "body", "args", "kwargs"),
    [
        (one, {"x": 1}, [], {"x": 1}),
        (one, {"y": 1}, [{"y": 1}], {}),
        (one, [1, 2], [[1, 2]], {}),
        (maybe, {}, [], {}),
        (maybe, 5, [5], {}),
        (two, [1, 2], [1, 2], {}),
        (two, {"x": 1, "y": 2}, [], {"x": 1, "y": 2}),
        (some, {"x": 1, "z": 3}, [], {"x": 1, "z": 3}),
        (some, None, [None], {}),
        (named, 5, [], {"x": 5}),
        (rest, [1, 2, 3], [1, 2, 3], {}),
        (options, {"x": 1, "q": 2}, [], {"x": 1, "q": 2}),
        (positional, [1, 2], [1, 2], {}),
        (anything, [1, 2], [1, 2], {}),
        (anything, {"a": 1}, [], {"a": 1}),
        (none, [], [], {}),
        (none, {}, [], {}),
    ],
)
def test_fits(function, body, args, kwargs) -> None:
    assert fit(parameters_of(function), body) == (args, kwargs)


@pytest.mark.parametrize(
    ("function", "body"),
    [
        (none, 1),
        (none, {"x": 1}),
        (two, 5),
        (two, [1]),
        (two, [1, 2, 3]),
        (two, {"x": 1}),
        (positional, {"x": 1, "y": 2}),
        (needs_named, [1]),
        (anything, 5),
    ],
)
def test_does_not_fit(function, body) -> None:
    with pytest.raises(BadArguments, match="the function takes"):
        fit(parameters_of(function), body)


def test_empty() -> None:
    fit_nothing(parameters_of(maybe))
    with pytest.raises(BadArguments, match=r"\(x\), and the body is empty"):
        fit_nothing(parameters_of(one))


def test_raw() -> None:
    assert parameters_of(raw).raw
    assert not parameters_of(not_raw).raw


def test_callables_that_are_not_plain_functions() -> None:
    class Callable:
        def __call__(self, x, *, y=1): ...

    for callable_ in (functools.partial(two, 1), Callable(), functools.wraps(two)(lambda *a: None), len):
        assert str(parameters_of(callable_))
    assert str(parameters_of(Callable())) == "x, y=..."
    assert str(parameters_of(functools.wraps(two)(lambda *a: None))) == "x, y"
    assert parameters_of(dict.update).any_position


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyzq"), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.sampled_from([none, one, maybe, two, some, named, rest, options, positional, anything, needs_named]),
    json_values,
)
def test_whatever_fits_can_be_called(function, body) -> None:
    try:
        args, kwargs = fit(parameters_of(function), body)
    except BadArguments:
        return
    inspect.signature(function).bind(*args, **kwargs)


def test_the_code_object_tells_what_inspect_does() -> None:
    from nbfn.runtime import arguments

    for function in (none, one, maybe, two, some, named, rest, options, positional, anything, raw):
        assert _facts(parameters_of(function)) == _facts(arguments._inspected(function))


def _facts(parameters: Parameters) -> list[object]:
    return [getattr(parameters, name) for name in Parameters.__slots__]
