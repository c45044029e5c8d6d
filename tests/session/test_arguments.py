"""What does not fit a signature is refused in the words that Python itself uses."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.arguments import check_arguments

if TYPE_CHECKING:
    from collections.abc import Callable


def one(name: str) -> None: ...
def two(a: int, /, b: int = 2) -> None: ...
def keyword(a: int, *, b: int, c: int = 3) -> None: ...
def anything(*args: object, **kwargs: object) -> None: ...
def nothing() -> None: ...


functions = st.sampled_from([one, two, keyword, anything, nothing])
names = st.sampled_from(["name", "a", "b", "c", "other"])


def said(call: Callable[..., object], *args: object, **kwargs: object) -> str:
    try:
        call(*args, **kwargs)
    except TypeError as error:
        return str(error)
    return ""


@given(functions, st.lists(st.integers(), max_size=3), st.dictionaries(names, st.integers(), max_size=3))
def test_the_words_are_those_of_python(
    f: Callable[..., None], args: list[int], kwargs: dict[str, int]
) -> None:
    ours = said(check_arguments, f.__name__, inspect.signature(f), args, kwargs)
    assert ours == said(f, *args, **kwargs)


def test_annotations_and_defaults_that_are_no_source_do_no_harm() -> None:
    def f(a: object, b: Any = object()) -> None: ...  # noqa: B008

    with pytest.raises(TypeError, match=r"^f\(\) missing 1 required positional argument: 'a'$"):
        check_arguments("f", inspect.signature(f), (), {})
