"""Triggers over HTTP: Fn's routes for them, and the way from ``/t/`` to a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbfn.executor.trigger import split
from tests.executor.test_api import NEVER, refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

pytestmark = pytest.mark.anyio

ENDPOINT = "fnproject.io/trigger/httpEndpoint"


async def document(running: Running, fn_id: str, name: str = "t", source: str = "/x") -> dict[str, Any]:
    fn = (await running.client.get(f"/v2/fns/{fn_id}")).json()
    return {"name": name, "type": "http", "source": source, "app_id": fn["app_id"], "fn_id": fn_id}


async def test_the_life_of_a_trigger(executor: Executor) -> None:
    async with executor() as running:
        fn_id, other = await running.deploy(), await running.deploy("other")
        wanted = await document(running, fn_id, source="/a/b")
        made = await running.post("/v2/triggers", {**wanted, "annotations": {"x": 1}, "created_at": NEVER})
        assert {key: made[key] for key in wanted} == wanted
        assert made["annotations"] == {"x": 1, ENDPOINT: "http://localhost/t/shop/a/b"}
        assert made["created_at"] == made["updated_at"] > "2026"
        path = f"/v2/triggers/{made['id']}"
        assert (await running.client.get(path)).json() == made
        elsewhere = await running.client.get(path, headers={"Host": "127.0.0.1:99"})
        assert elsewhere.json()["annotations"][ENDPOINT] == "http://127.0.0.1:99/t/shop/a/b"
        # The CLI sends back the whole object that it read.
        same = (await running.client.put(path, json=made)).json()
        assert same == made
        changed = await running.client.put(
            path, json={"name": "u", "source": "/c", "fn_id": other, "annotations": {"x": ""}}
        )
        assert changed.status_code == 200
        assert {**changed.json(), "updated_at": ""} == {
            **made, "name": "u", "source": "/c", "fn_id": other, "updated_at": "",
            "annotations": {ENDPOINT: "http://localhost/t/shop/c"},
        }  # fmt: skip
        assert (await running.client.get("/t/shop/a/b")).status_code == 404
        assert (await running.client.get("/t/shop/c")).status_code == 200
        gone = await running.client.delete(path)
        assert (gone.status_code, gone.content, gone.headers["content-type"]) == (204, b"", "text/plain")
        assert await refused(running, "GET", path) == (404, "Trigger not found")
        assert await refused(running, "PUT", path, {}) == (404, "Trigger not found")
        assert await refused(running, "DELETE", path) == (404, "Trigger not found")
        assert await refused(running, "GET", "/t/shop/c") == (404, "Trigger not found")
        assert await refused(running, "GET", "/t/nosuch/c") == (404, "App not found")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "x"}, "ID cannot be provided for Trigger creation"),
        ({"name": ""}, "Missing name on Trigger"),
        ({"name": "a.b"}, "Invalid name for Trigger"),
        ({"name": "é" * 128}, "Trigger name must be 255 characters or less"),
        ({"app_id": ""}, "Missing App ID on Trigger"),
        ({"fn_id": ""}, "Missing Fn ID on Trigger"),
        ({"type": "cron"}, "Trigger Type Not Supported"),
        ({"type": ""}, "Trigger Type Not Supported"),
        ({"source": ""}, "Missing Trigger Source"),
        ({"source": "x"}, "Missing Trigger Source Prefix '/'"),
        ({"source": 1}, "Invalid JSON"),
        ({"annotations": {"a b": 1}}, "Invalid annotation key, annotation keys must be non-empty ascii"),
    ],
)
async def test_triggers_that_fn_does_not_take(
    executor: Executor, change: dict[str, object], message: str
) -> None:
    async with executor() as running:
        wanted = await document(running, await running.deploy())
        status, said = await refused(running, "POST", "/v2/triggers", {**wanted, **change})
        assert status == 400
        assert said.startswith(message)


async def test_triggers_that_are_in_each_others_way(executor: Executor) -> None:
    async with executor() as running:
        fn_id, foreign = await running.deploy(), await running.deploy(app="other")
        wanted = await document(running, fn_id)
        made = await running.post("/v2/triggers", wanted)
        path = "/v2/triggers"
        assert await refused(running, "POST", path, {**wanted, "source": "/y"}) == (
            409,
            "Trigger already exists",
        )
        taken = (409, "Trigger with the same type and source exists on this app")
        assert await refused(running, "POST", path, {**wanted, "name": "u"}) == taken
        assert await refused(running, "POST", path, {**wanted, "fn_id": foreign}) == (
            400,
            "Invalid Fn ID - not owned by specified app",
        )
        assert await refused(running, "POST", path, {**wanted, "fn_id": "no"}) == (404, "Fn not found")
        assert await refused(running, "POST", path, {**wanted, "app_id": "no"}) == (404, "App not found")
        other = await running.post(path, {**wanted, "name": "u", "source": "/y"})
        assert await refused(running, "PUT", f"{path}/{other['id']}", {"source": "/x"}) == taken
        assert await refused(running, "PUT", f"{path}/{other['id']}", {"id": made["id"]}) == (
            400,
            "ID in path does not match ID in body",
        )
        await running.post(path, await document(running, foreign))  # another application's own /x
        assert (await running.client.get("/t/shop/x")).status_code == 200


async def test_triggers_are_listed_page_by_page_although_functions_share_names(executor: Executor) -> None:
    async with executor() as running:
        fns = [await running.deploy(f"f{number}") for number in range(3)]
        for number, fn_id in enumerate(fns):
            for name in ("a", "b"):
                await running.post("/v2/triggers", await document(running, fn_id, name, f"/{name}{number}"))
        app_id = (await document(running, fns[0]))["app_id"]
        found, params = [], {"app_id": app_id, "per_page": "2"}
        while True:
            page = (await running.client.get("/v2/triggers", params=params)).json()
            found += [(each["name"], each["fn_id"]) for each in page["items"]]
            if "next_cursor" not in page:
                break
            params["cursor"] = page["next_cursor"]
        assert sorted(found) == sorted((name, fn_id) for fn_id in fns for name in ("a", "b"))
        assert [name for name, _ in found] == ["a"] * 3 + ["b"] * 3
        assert len(await running.items("/v2/triggers", app_id=app_id, name="b")) == 3
        (one,) = await running.items("/v2/triggers", app_id=app_id, name="b", fn_id=fns[1])
        assert one["annotations"][ENDPOINT] == "http://localhost/t/shop/b1"
        assert await running.items("/v2/triggers", app_id="nosuch") == []
        assert await refused(running, "GET", "/v2/triggers") == (400, "Missing App ID on Trigger")


async def test_triggers_go_with_their_function_and_their_application(executor: Executor) -> None:
    async with executor() as running:
        fn_id, kept = await running.deploy(), await running.deploy("kept")
        first = await running.post("/v2/triggers", await document(running, fn_id))
        second = await running.post("/v2/triggers", await document(running, kept, source="/k"))
        await running.client.delete(f"/v2/fns/{fn_id}")
        assert (await running.client.get(f"/v2/triggers/{first['id']}")).status_code == 404
        assert (await running.client.get("/t/shop/x")).status_code == 404
        assert (await running.client.get("/t/shop/k")).status_code == 200
        await running.client.delete(f"/v2/apps/{second['app_id']}")
        assert (await running.client.get(f"/v2/triggers/{second['id']}")).status_code == 404
        assert (await running.client.get("/t/shop/k")).status_code == 404


async def test_triggers_are_still_there_after_a_restart(executor: Executor) -> None:
    async with executor() as running:
        await running.post("/v2/triggers", await document(running, await running.deploy()))
    async with executor() as running:
        assert (await running.client.get("/t/shop/x")).status_code == 200


async def test_a_source_may_be_any_text_and_its_endpoint_leads_there(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy(app="größe")
        for number, source in enumerate(("/", "/a b", "/a%20b", "/é/?x#y", "/a//b")):
            made = await running.post("/v2/triggers", await document(running, fn_id, f"t{number}", source))
            endpoint = made["annotations"][ENDPOINT]
            response = await running.client.get(endpoint + "?q=1")
            assert (response.status_code, source) == (200, source)
        assert (await running.client.get("/t/gr%C3%B6%C3%9Fe")).status_code == 200


def test_a_path_is_split_into_application_and_source() -> None:
    assert split(b"/t/shop") == ("shop", "/")
    assert split(b"/t/shop/") == ("shop", "/")
    assert split(b"/t/shop/a/b/") == ("shop", "/a/b/")
    assert split(b"/t/%C3%A9/%ff") == ("é", "/�")
