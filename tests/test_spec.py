"""What cannot be is refused when a noun is made, with what would do."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.errors import BadInput, LimitError, NameRefused
from nbfn.spec import (
    CallResult,
    Capture,
    Deployment,
    FunctionSpec,
    ImageRef,
    Limits,
    PythonVersion,
    check_app_name,
    check_function_name,
)

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize("field", ["memory_mb", "timeout_s", "idle_timeout_s"])
@pytest.mark.parametrize("value", [0, -1, 10**9, True, 1.5, "256", None])
def test_limits_out_of_range_are_refused(field: str, value: Any) -> None:
    with pytest.raises(LimitError, match=r"whole number from 1 to \d+") as caught:
        Limits(**{field: value})
    assert repr(value) in caught.value.message


def test_limits_take_the_ends_of_fns_ranges() -> None:
    assert Limits(1, 1, 1) != Limits(8192, 300, 3600)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "é" * 128, "x" * 256, "a\n", "<lambda>", "a%2f"])
def test_names_that_fn_refuses_are_refused_here(name: str) -> None:
    with pytest.raises(NameRefused, match="cannot name a function"):
        check_function_name(name)
    with pytest.raises(NameRefused, match="cannot name an application"):
        check_app_name(name)


@pytest.mark.parametrize("name", ["greet", "Greet_2", "a-b", "x" * 255])
def test_names_that_fn_takes_are_taken(name: str) -> None:
    assert check_function_name(name) == name
    assert check_app_name(name) == name


def test_only_functions_may_have_dots_and_only_applications_letters_of_any_alphabet() -> None:
    assert check_function_name("greet.v2") == "greet.v2"
    assert check_app_name("größe") == "größe"
    with pytest.raises(NameRefused):
        check_app_name("greet.v2")
    with pytest.raises(NameRefused):
        check_function_name("größe")


def test_a_spec_checks_its_names() -> None:
    with pytest.raises(NameRefused):
        FunctionSpec("a b", "app")
    with pytest.raises(NameRefused):
        FunctionSpec("greet", "a b")


@given(
    st.builds(
        ImageRef,
        repository=st.from_regex(r"([a-z0-9.]+(:[0-9]{1,4})?/)?([a-z0-9]+/){0,2}[a-z0-9]+", fullmatch=True),
        digest=st.sampled_from(["", DIGEST]),
        tag=st.from_regex(r"[a-z0-9.]{0,5}", fullmatch=True),
    )
)
def test_an_image_reference_reads_back(ref: ImageRef) -> None:
    assert ImageRef.parse(str(ref)) == ref


@pytest.mark.parametrize("text", ["", "@" + DIGEST, "name@sha256:123", "repo/", "name@md5:1"])
def test_what_is_no_image_reference_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="not an image reference"):
        ImageRef.parse(text)


def test_a_deployment_never_shows_its_key() -> None:
    key = bytes(range(32))
    spec = FunctionSpec("greet", "notebook")
    deployment = Deployment(spec, ImageRef("r"), "fn", "app", "http://localhost/invoke/fn", "sha256:1", key)
    assert key.hex() not in repr(deployment)
    assert "key" not in repr(deployment)


def test_the_fingerprint_is_of_what_travels_and_not_of_where_it_came_from() -> None:
    capture = Capture("f", "values", "def f(): ...\n", PythonVersion(3, 11), files={"data/x.json": b"1"})

    def changed(**fields: Any) -> bool:
        return dataclasses.replace(capture, **fields).fingerprint != capture.fingerprint

    assert changed(source="def f(): return 1\n")
    assert changed(files={"data/x.json": b"2"})
    assert changed(requirements=("numpy==2.0",))
    assert changed(style="context")
    assert not changed(python=PythonVersion(3, 12))
    assert changed(python=PythonVersion(3, 12), by_value=True)
    assert not changed(source_map=(), taken=())


def test_a_result_sums_up_in_one_line() -> None:
    result = CallResult("c", "cold", "first-call", {"queue": 0.1, "start": 38.0, "run": 2.1, "total": 41.34})
    assert result.summary() == "cold (first call) 41.3 ms: queue 0.1, start 38.0, run 2.1"
    assert CallResult("c", "", "", {}).summary() == "done"
