"""Fn's limits on documents, at creation and in updates, as clients meet them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.executor.test_api import refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

pytestmark = pytest.mark.anyio

INVOKE = "fnproject.io/fn/invokeEndpoint"


async def fn(running: Running, name: str = "greet", **more: object) -> dict[str, Any]:
    """A new function, as it is read."""
    fn_id = await running.deploy(name, **more)
    found: dict[str, Any] = (await running.client.get(f"/v2/fns/{fn_id}")).json()
    return found


async def put(running: Running, path: str, document: object) -> dict[str, Any]:
    response = await running.client.put(path, json=document)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


MEMORY = "memory value is out of range. It should be between 0 and 8192"
TIMEOUT = "timeout value is out of range, must be between 0 and 300"
IDLE = "idle_timeout value is out of range, must be between 0 and 3600"


@pytest.mark.parametrize(
    ("field", "default", "largest", "message"),
    [("memory", 128, 8192, MEMORY), ("timeout", 30, 300, TIMEOUT), ("idle_timeout", 30, 3600, IDLE)],
)
async def test_limits_hold_at_creation_and_at_updates(
    executor: Executor, field: str, default: int, largest: int, message: str
) -> None:
    async with executor() as running:
        for value, kept in {0: default, 1: 1, largest: largest}.items():
            greet = await fn(running, name=f"f{value}", **{field: value})
            assert greet[field] == kept
        path = f"/v2/fns/{greet['id']}"
        for value in (largest + 1, -1):
            assert await refused(running, "PUT", path, {field: value}) == (400, message)
            document = {"name": "x", "app_id": greet["app_id"], "image": "it", field: value}
            assert await refused(running, "POST", "/v2/fns", document) == (400, message)
        assert (await put(running, path, {field: 0})) == greet
        assert (await put(running, path, {field: 1}))[field] == 1


KEY = "Invalid annotation key, annotation keys must be non-empty ascii strings excluding whitespace"
VALUE = (
    "Invalid annotation value, annotation values may only be non-empty strings, numbers, objects, or arrays"
)
MANY = "Invalid annotation change, new key(s) exceed maximum permitted number of annotations keys (100)"
LONG_KEY = "Invalid annotation key length, annotation keys may not be larger than 128 bytes"
LONG_VALUE = (
    "Invalid annotation value length, annotation values may not be larger than 512 bytes "
    "when serialized as JSON"
)


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ({"": 1}, KEY),
        ({"é": 1}, KEY),
        ({"a\tb": 1}, KEY),
        ({"a" * 129: 1}, LONG_KEY),
        ({"a": "x" * 511}, LONG_VALUE),
        ({"a": ["é" * 255]}, LONG_VALUE),
        ({"a": ""}, VALUE),
        ({f"k{n}": 1 for n in range(101)}, MANY),
    ],
    ids=["empty", "not ASCII", "white", "long", "long value", "long in bytes", "empty value", "many"],
)
async def test_annotations_that_no_object_may_have(
    executor: Executor, annotations: dict[str, object], message: str
) -> None:
    async with executor() as running:
        said = await refused(running, "POST", "/v2/apps", {"name": "x", "annotations": annotations})
        assert said == (400, message)
        greet = await fn(running)
        document = {"name": "x", "app_id": greet["app_id"], "image": "it", "annotations": annotations}
        assert await refused(running, "POST", "/v2/fns", document) == (400, message)
        if message != VALUE:  # which in an update takes the key away
            said = await refused(running, "PUT", f"/v2/fns/{greet['id']}", {"annotations": annotations})
            assert said == (400, message)


async def test_annotations_at_their_limits_come_back_and_where_to_invoke_is_none_of_them(
    executor: Executor,
) -> None:
    values = [True, False, 0, 1.5, {"a": None}, [], "x" * 510, ["é" * 254]]
    annotations = {
        **{f"k{n}": n for n in range(91)},
        "!" * 128: 1,
        **{f"v{n}": v for n, v in enumerate(values)},
    }
    assert len(annotations) == 100
    async with executor() as running:
        greet = await fn(running, annotations=annotations)
        assert {**annotations, INVOKE: greet["annotations"][INVOKE]} == greet["annotations"]
        path = f"/v2/fns/{greet['id']}"
        assert await put(running, path, greet) == greet  # sent back as it was read: 101 of them
        assert await refused(running, "PUT", path, {"annotations": {"new": 1}}) == (400, MANY)
        swapped = await put(running, path, {"annotations": {"k0": "", "new": 1}})
        assert ("k0" in swapped["annotations"], swapped["annotations"]["new"]) == (False, 1)


@pytest.mark.parametrize(
    "name", ["a" * 255, "a.b", "a~b", "a@b", "a:b", "a$b", "a&b", "a+b", "a=b", ".", "-_"]
)
async def test_names_of_functions_are_those_that_a_path_holds_as_they_are(
    executor: Executor, name: str
) -> None:
    async with executor() as running:
        greet = await fn(running, name=name)
        assert greet["name"] == name
        assert len(await running.items("/v2/fns", app_id=greet["app_id"], name=name)) == 1
        assert (await running.invoke(greet["id"], b"x")).content == b"x"
