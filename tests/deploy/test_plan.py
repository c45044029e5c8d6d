"""The plan against a model of Fn's merging, with no server."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.deploy.plan import (
    CreateApp,
    CreateFunction,
    Step,
    UpdateFunction,
    Wanted,
    key_of,
    plan,
    wanted,
)
from nbfn.errors import BadInput
from nbfn.runtime.wire import KEY_VARIABLE
from nbfn.scale import MAX_ANNOTATION, MIN_ANNOTATION, Scale
from nbfn.spec import FunctionSpec, ImageRef, Limits

KEY, OTHER_KEY = "ab" * 32, "cd" * 32

texts = st.text("abcXYZ_1", min_size=1, max_size=4)
wants = st.builds(
    Wanted,
    app=st.just("notebook"),
    name=st.just("greet"),
    image=texts,
    memory=st.integers(1, 8192),
    timeout=st.integers(1, 300),
    idle_timeout=st.integers(1, 3600),
    config=st.dictionaries(texts, texts, max_size=4),
    annotations=st.fixed_dictionaries({"nbfn.org/fingerprint": texts, "nbfn.org/digest": texts}),
)
held_fns = st.fixed_dictionaries(
    {
        "id": st.just("fn1"),
        "name": st.just("greet"),
        "image": texts,
        "memory": st.integers(1, 8192),
        "timeout": st.integers(1, 300),
        "idle_timeout": st.integers(1, 3600),
        "config": st.none()
        | st.dictionaries(texts | st.just(KEY_VARIABLE), texts | st.just(OTHER_KEY), max_size=4),
    },
    optional={"annotations": st.none() | st.dictionaries(texts, texts | st.integers(), max_size=3)},
)
Held = tuple[dict[str, Any] | None, dict[str, Any] | None]


def take(steps: tuple[Step, ...], held: Held) -> Held:
    """What a Fn server does with the requests that the steps stand for."""
    app, fn = copy.deepcopy(held)
    for step in steps:
        match step:
            case CreateApp(name):
                assert app is None
                app = {"id": "app1", "name": name}
            case CreateFunction(body):
                assert app is not None
                assert fn is None
                fn = {**copy.deepcopy(dict(body)), "id": "fn1"}
            case UpdateFunction(fn_id, body):
                assert fn is not None
                assert fn["id"] == fn_id
                for name, value in body.items():
                    if name in ("config", "annotations"):
                        merged = {**(fn.get(name) or {}), **value}
                        fn[name] = {key: each for key, each in merged.items() if each != ""} or None
                    elif value:
                        fn[name] = value
    return app, fn


@given(held=st.just((None, None)) | st.tuples(st.just({"id": "app1"}), st.none() | held_fns), want=wants)
def test_nothing_is_left_to_do_after_the_steps(held: Held, want: Wanted) -> None:
    after = take(plan(*held, want, KEY), held)
    assert plan(*after, want, "ef" * 32) == ()
    fn = after[1]
    assert fn is not None
    assert {**want.config, KEY_VARIABLE: key_of(fn)} == fn["config"]
    assert (fn["image"], fn["memory"]) == (want.image, want.memory)
    assert want.annotations.items() <= fn["annotations"].items()


@given(fn=held_fns, want=wants)
def test_a_key_that_is_fit_to_use_stays(fn: dict[str, Any], want: Wanted) -> None:
    before = key_of(fn)
    _, after = take(plan({"id": "app1"}, fn, want, KEY), ({"id": "app1"}, fn))
    assert after is not None
    assert key_of(after) == (before or KEY)


@given(fn=held_fns, want=wants)
def test_what_others_noted_on_the_function_stays(fn: dict[str, Any], want: Wanted) -> None:
    _, after = take(plan({"id": "app1"}, fn, want, KEY), ({"id": "app1"}, fn))
    assert after is not None
    assert {**(fn.get("annotations") or {}), **want.annotations} == after["annotations"]


@given(held=st.just((None, None)) | st.tuples(st.just({"id": "app1"}), st.none() | held_fns), want=wants)
def test_the_key_is_in_no_repr(held: Held, want: Wanted) -> None:
    assert KEY not in repr(plan(*held, want, KEY))


@pytest.mark.parametrize("config", [{"A": ""}, {"": "x"}, {KEY_VARIABLE: KEY}])
def test_configuration_that_fn_cannot_keep_is_refused(config: dict[str, str]) -> None:
    spec = FunctionSpec("greet", "notebook", Limits(), config)
    with pytest.raises(BadInput, match="config"):
        wanted(spec, ImageRef("nbfn.local/notebook/greet", "sha256:" + "0" * 64), "sha256:1")


def test_a_scale_that_is_no_longer_asked_for_goes() -> None:
    image = ImageRef("nbfn.local/notebook/greet", "sha256:" + "0" * 64)
    held: Held = (None, None)
    for scale, left in (
        (Scale(1, 5), {MIN_ANNOTATION: 1, MAX_ANNOTATION: 5}),
        (Scale(0, 3), {MAX_ANNOTATION: 3}),
        (Scale(), {}),
    ):
        want = wanted(FunctionSpec("greet", "notebook", scale=scale), image, "sha256:1")
        held = take(plan(*held, want, KEY), held)
        assert held[1] is not None
        notes = held[1]["annotations"]
        assert {key: notes[key] for key in (MIN_ANNOTATION, MAX_ANNOTATION) if key in notes} == left
