"""Fn's control plane over HTTP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

pytestmark = pytest.mark.anyio

NEVER = "0001-01-01T00:00:00.000Z"  # what the CLI sends for times it does not know


async def refused(running: Running, method: str, path: str, document: object = None) -> tuple[int, str]:
    response = await running.client.request(method, path, json=document)
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    return response.status_code, response.json()["message"]


async def test_the_life_of_an_application(executor: Executor) -> None:
    async with executor() as running:
        app = await running.post(
            "/v2/apps", {"name": "shop", "config": {"A": "1"}, "created_at": NEVER, "unknown": [1]}
        )
        assert list(app) == ["id", "name", "config", "created_at", "updated_at"]
        assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", app["id"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", app["created_at"])
        path = f"/v2/apps/{app['id']}"
        assert (await running.client.get(path)).json() == app
        changed = (await running.client.put(path, json={**app, "config": {"A": "", "B": "2"}})).json()
        assert changed["config"] == {"B": "2"}
        assert changed["updated_at"] >= app["updated_at"]
        assert (await running.client.put(path, json={})).json() == changed
        gone = await running.client.delete(path)
        assert (gone.status_code, gone.content, gone.headers["content-type"]) == (204, b"", "text/plain")
        assert await refused(running, "GET", path) == (404, "App not found")
        assert await refused(running, "DELETE", path) == (404, "App not found")


async def test_the_life_of_a_function(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy(config={"A": "1"}, annotations={"x": {"y": 1}})
        path = f"/v2/fns/{fn_id}"
        fn = (await running.client.get(path)).json()
        assert (fn["memory"], fn["timeout"], fn["idle_timeout"]) == (128, 30, 30)
        assert fn["annotations"] == {
            "x": {"y": 1},
            "fnproject.io/fn/invokeEndpoint": f"http://localhost/invoke/{fn_id}",
        }
        # The CLI sends back the whole object that it read.
        changed = (await running.client.put(path, json={**fn, "memory": 256, "name": "ignored"})).json()
        assert (changed["memory"], changed["name"], changed["config"]) == (256, "greet", {"A": "1"})
        removed = await running.client.put(path, json={"annotations": {"x": None}})
        assert set(removed.json()["annotations"]) == {"fnproject.io/fn/invokeEndpoint"}
        assert (await running.client.delete(path)).status_code == 204
        assert await refused(running, "GET", path) == (404, "Fn not found")


async def test_the_endpoint_is_where_the_request_came_in(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        response = await running.client.get(f"/v2/fns/{fn_id}", headers={"Host": "127.0.0.1:1234"})
        endpoint = response.json()["annotations"]["fnproject.io/fn/invokeEndpoint"]
        assert endpoint == f"http://127.0.0.1:1234/invoke/{fn_id}"


async def test_removing_an_application_removes_its_functions(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        app_id = (await running.client.get(f"/v2/fns/{fn_id}")).json()["app_id"]
        await running.client.delete(f"/v2/apps/{app_id}")
        assert (await running.invoke(fn_id)).status_code == 404
        assert running.kinds()[-1] == "function.deleted"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "Missing Name"),
        ({"name": "a b"}, "Invalid app name"),
        ({"name": "a\n"}, "Invalid app name"),
        ({"name": "a" * 256}, "App name must be 255 characters or less"),
        ({"name": "a", "id": "x"}, "App ID cannot be supplied on create"),
        ({"name": "a", "shape": "ROUND"}, "Invalid app shape"),
        ({"name": "a", "syslog_url": "ftp://x"}, 'invalid syslog url: "ftp://x" invalid scheme, only'),
        ({"name": "a", "config": {"A": 1}}, "Invalid JSON"),
        ({"name": "a", "annotations": {"a b": 1}}, "Invalid annotation key, annotation keys must be"),
        ({"name": "a", "annotations": {"a": ""}}, "Invalid annotation value, annotation values may only"),
        ({"name": "a", "annotations": {"a": None}}, "Invalid annotation value, annotation values may only"),
        ({"name": "a", "annotations": {"a" * 129: 1}}, "Invalid annotation key length"),
        ({"name": "a", "annotations": {"a": "x" * 511}}, "Invalid annotation value length"),
        ({"name": "a", "annotations": {f"k{n}": 1 for n in range(101)}}, "Invalid annotation change"),
        ([], "Invalid JSON"),
    ],
)
async def test_applications_that_fn_does_not_take(executor: Executor, document: Any, message: str) -> None:
    async with executor() as running:
        status, said = await refused(running, "POST", "/v2/apps", document)
        assert status == 400
        assert said.startswith(message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "Missing Fn name"),
        ({"name": "a/b"}, "name must be a valid string"),
        ({"name": "a" * 256}, "Fn name must be 255 characters or less"),
        ({"app_id": ""}, "Missing AppID on Fn"),
        ({"image": ""}, "Missing image on Fn"),
        ({"id": "x"}, "ID cannot be provided for Fn creation"),
        ({"memory": 8193}, "memory value is out of range. It should be between 0 and 8192"),
        ({"memory": -1}, "memory value is out of range. It should be between 0 and 8192"),
        ({"memory": "128"}, "Invalid JSON"),
        ({"timeout": 301}, "timeout value is out of range, must be between 0 and 300"),
        ({"idle_timeout": 3601}, "idle_timeout value is out of range, must be between 0 and 3600"),
    ],
)
async def test_functions_that_fn_does_not_take(
    executor: Executor, change: dict[str, object], message: str
) -> None:
    async with executor() as running:
        app = await running.post("/v2/apps", {"name": "shop"})
        document = {"name": "f", "app_id": app["id"], "image": "it", **change}
        assert await refused(running, "POST", "/v2/fns", document) == (400, message)


async def test_conflicts_and_what_is_not_there(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        app_id = (await running.client.get(f"/v2/fns/{fn_id}")).json()["app_id"]
        fn = {"name": "greet", "app_id": app_id, "image": "it"}
        assert await refused(running, "POST", "/v2/apps", {"name": "shop"}) == (409, "App already exists")
        assert await refused(running, "POST", "/v2/fns", fn) == (409, "Fn with specified name already exists")
        nowhere = {**fn, "app_id": "nosuch"}
        assert await refused(running, "POST", "/v2/fns", nowhere) == (404, "App not found")
        assert await refused(running, "PUT", f"/v2/apps/{app_id}", {"name": "other"}) == (
            409,
            "Could not update - name is immutable",
        )
        assert await refused(running, "PUT", f"/v2/apps/{app_id}", {"id": "other"}) == (
            400,
            "App ID in path does not match ID in body",
        )
        assert await refused(running, "PUT", f"/v2/fns/{fn_id}", {"id": "other"}) == (
            400,
            "Fn ID in path does not match that in body",
        )
        assert await refused(running, "PUT", "/v2/fns/nosuch", {}) == (404, "Fn not found")


async def test_lists_go_page_by_page_in_the_order_of_names(executor: Executor) -> None:
    async with executor() as running:
        names = [f"app-{number:02}" for number in range(5)]
        for name in reversed(names):
            await running.post("/v2/apps", {"name": name})
        found, cursor = [], ""
        for _ in range(3):
            params = {"per_page": "2", "cursor": cursor}
            page = (await running.client.get("/v2/apps", params=params)).json()
            found.append([app["name"] for app in page["items"]])
            cursor = page.get("next_cursor", "")
        assert found == [names[:2], names[2:4], names[4:]]
        assert cursor == ""
        assert [a["name"] for a in await running.items("/v2/apps", name="app-03")] == ["app-03"]
        assert await running.items("/v2/apps", name="nosuch") == []
        assert await refused(running, "GET", "/v2/apps?cursor=!!") == (
            400,
            "cursor '!!' is none that this server gave",
        )
        assert await running.items("/v2/fns", app_id="nosuch") == []
        assert await refused(running, "GET", "/v2/fns") == (400, "Missing AppID on Fn")


async def test_what_is_not_there_at_all(executor: Executor) -> None:
    async with executor() as running:
        assert await refused(running, "GET", "/v2/nosuch") == (404, "Path not found: GET /v2/nosuch")
        response = await running.client.request("PATCH", "/v2/apps")
        assert (response.status_code, response.json()["message"]) == (
            405,
            "Method not allowed: PATCH /v2/apps",
        )
        assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
        response = await running.client.get("/v2/apps/?name=x")
        assert (response.status_code, response.headers["location"]) == (301, "/v2/apps?name=x")
        assert (await running.client.get("/v2/fns/x/calls")).status_code == 410
        assert (await running.client.get("/")).json()["hello"] == "world!"
        assert set((await running.client.get("/version")).json()) == {"version"}
        response = await running.client.post("/v2/apps", content=b"{" * 100)
        assert (response.status_code, response.json()["message"]) == (400, "Invalid JSON")
        response = await running.client.post("/v2/apps", content=b" " * (2 << 20))
        assert response.status_code == 413


async def test_functions_are_still_there_after_a_restart_and_the_cold_start_says_why(
    executor: Executor,
) -> None:
    async with executor() as running:
        called, uncalled = await running.deploy("called"), await running.deploy("uncalled")
        await running.invoke(called)
    async with executor() as running:
        assert (await running.invoke(called)).headers["nbfn-cold-reason"] == "executor-restarted"
        assert (await running.invoke(uncalled)).headers["nbfn-cold-reason"] == "first-call"
