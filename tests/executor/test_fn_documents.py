"""Fn's control plane, rule by rule: what is on the wire, the edges of each limit, and how changes merge."""

from __future__ import annotations

import base64
import json
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.errors import TargetError
from nbfn.executor import accept
from tests.executor.test_api import refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

pytestmark = pytest.mark.anyio

ENDPOINT = "fnproject.io/fn/invokeEndpoint"


async def app_of(running: Running, **more: object) -> dict[str, Any]:
    return await running.post("/v2/apps", {"name": "shop", **more})


# Routes


async def test_who_asks_for_nothing_is_greeted_as_by_fn(executor: Executor) -> None:
    async with executor() as running:
        hello = await running.client.get("/")
        assert hello.content == b'{"goto":"https://github.com/fnproject/fn","hello":"world!"}\n'


@pytest.mark.parametrize("path", ["calls", "calls/one", "calls/one/log"])
async def test_what_fn_removed_is_gone_with_nothing_more_to_say(executor: Executor, path: str) -> None:
    async with executor() as running:
        response = await running.client.get(f"/v2/fns/{await running.deploy()}/{path}")
        assert (response.status_code, response.content) == (410, b"")


@pytest.mark.parametrize("path", ["/v2/runner/apps/a/triggerBySource/http/x", "/debug/vars", "/debug/pprof/"])
async def test_what_is_for_fns_own_parts_is_not_here(executor: Executor, path: str) -> None:
    async with executor() as running:
        response = await running.client.get(path)
        assert (response.status_code, response.json()["message"]) == (404, f"Path not found: GET {path}")


async def test_an_error_is_one_line_of_json(executor: Executor) -> None:
    async with executor() as running:
        response = await running.client.get("/v2/apps/nosuch")
        assert response.content == b'{"message":"App not found"}\n'


async def test_a_body_is_read_as_json_whatever_it_is_called(executor: Executor) -> None:
    async with executor() as running:
        headers = {"Content-Type": "text/plain"}
        response = await running.client.post("/v2/apps", content=b'{"name":"shop"}', headers=headers)
        assert (response.status_code, response.json()["name"]) == (200, "shop")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "latin-1"])
async def test_json_is_utf_8_alone(executor: Executor, encoding: str) -> None:
    async with executor() as running:
        body = '{"name":"shöp"}'.encode(encoding)
        response = await running.client.post("/v2/apps", content=body)
        assert (response.status_code, response.json()) == (400, {"message": "Invalid JSON"})


# Objects


@pytest.mark.parametrize("annotations", [{}, {"x": 1}])
async def test_fields_come_in_fns_order(executor: Executor, annotations: dict[str, object]) -> None:
    more = {"annotations": annotations, "config": {"A": "1"}}
    async with executor() as running:
        app = await app_of(running, syslog_url="udp://127.0.0.1:9", shape="GENERIC_X86", **more)
        wanted = ["id", "name", "config", "annotations", "syslog_url", "shape", "created_at", "updated_at"]
        assert list(app) == [key for key in wanted if key != "annotations" or annotations]
        fn = await running.post("/v2/fns", {"name": "f", "app_id": app["id"], "image": "it", **more})
        assert list(fn) == [
            "id",
            "name",
            "app_id",
            "image",
            "memory",
            "timeout",
            "idle_timeout",
            "config",
            "annotations",
            "created_at",
            "shape",
            "updated_at",
        ]
        asked = {"name": "t", "app_id": app["id"], "fn_id": fn["id"], "type": "http", "source": "/x"}
        trigger = await running.post("/v2/triggers", {**asked, "annotations": annotations})
        assert list(trigger) == (
            ["id", "name", "app_id", "fn_id", "created_at", "updated_at", "type", "source", "annotations"]
        )


async def test_a_function_has_the_shape_that_its_application_had(executor: Executor) -> None:
    async with executor() as running:
        app = await app_of(running, shape="GENERIC_ARM")
        path = f"/v2/apps/{app['id']}"
        other = await running.client.put(path, json={"shape": "GENERIC_X86"})
        assert (other.status_code, other.json()) == (200, app)  # not changed, and not refused
        made = await running.post("/v2/fns", {"name": "f", "app_id": app["id"], "image": "it"})
        assert made["shape"] == "GENERIC_ARM"


@pytest.mark.parametrize("digits", ["", ".1", ".123", ".123456", ".123456789"])
async def test_times_that_a_client_sends_are_taken_and_ignored(executor: Executor, digits: str) -> None:
    sent = f"2001-02-03T04:05:06{digits}Z"
    async with executor() as running:
        app = await app_of(running, created_at=sent, updated_at=sent)
        assert min(app["created_at"], app["updated_at"]) > "2026"
        path = f"/v2/apps/{app['id']}"
        changed = await running.client.put(path, json={"created_at": sent, "updated_at": sent})
        assert (changed.status_code, changed.json()) == (200, app)


# Limits


def takes(make: Callable[..., object], **document: object) -> bool:
    try:
        make(document, "id", "now")
    except TargetError:
        return False
    return True


FN = {"name": "f", "app_id": "a", "image": "it"}
TRIGGER = {"name": "t", "app_id": "a", "fn_id": "f", "type": "http", "source": "/"}


@given(st.characters(exclude_categories=["Cs"]) | st.characters(categories=["No", "Nl", "Mn", "Lm", "Pc"]))
def test_names_are_of_letters_and_numbers_in_any_script(character: str) -> None:
    fits = character in "_-" or unicodedata.category(character)[0] in "LN"
    assert takes(accept.new_app, name=f"a{character}") == fits
    assert takes(accept.new_trigger, **{**TRIGGER, "name": f"a{character}"}) == fits


@given(st.characters(exclude_categories=["Cs"]) | st.characters(max_codepoint=127))
def test_a_functions_name_is_what_a_path_may_hold_as_it_is(character: str) -> None:
    fits = character.isascii() and (character.isalnum() or character in "-_.~$&+:=@")
    assert takes(accept.new_fn, **{**FN, "name": character}) == fits


def test_names_are_counted_in_bytes() -> None:
    for make, rest in ((accept.new_app, {}), (accept.new_trigger, TRIGGER)):
        assert takes(make, **{**rest, "name": "é" * 127 + "a"})
        assert not takes(make, **{**rest, "name": "é" * 128})
    assert takes(accept.new_fn, **{**FN, "name": "a" * 255})


@pytest.mark.parametrize(
    ("limit", "default", "largest"), [("memory", 128, 8192), ("timeout", 30, 300), ("idle_timeout", 30, 3600)]
)
def test_limits_of_functions_at_their_edges(limit: str, default: int, largest: int) -> None:
    def made(asked: object) -> int:
        return int(getattr(accept.new_fn({**FN, limit: asked}, "id", "now"), limit))

    assert [made(asked) for asked in (0, None, 1, largest)] == [default, default, 1, largest]
    for asked in (-1, largest + 1, 1.5, "1", True):
        assert not takes(accept.new_fn, **FN, **{limit: asked})
    kept = accept.new_fn({**FN, limit: 1}, "id", "now")
    assert accept.changed_fn(kept, {limit: 0}, "later") is kept


@pytest.mark.parametrize("value", [0, False, 1.5, [], {}, [None, ""], {"a": None}, " ", "x" * 510])
def test_values_that_an_annotation_may_have(value: object) -> None:
    made = accept.new_app({"name": "a", "annotations": {"k" * 128: value}}, "id", "now")
    assert made.annotations == {"k" * 128: value}


def test_an_annotations_value_is_measured_without_the_spaces_around_its_parts() -> None:
    exact = {"a": "x" * 504}
    assert len(json.dumps(exact, separators=(",", ":"))) == 512
    assert takes(accept.new_app, name="a", annotations={"k": exact})
    assert not takes(accept.new_app, name="a", annotations={"k": {"a": "x" * 505}})


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "a\x7f", "a\n", "k" * 129])
def test_keys_that_an_annotation_may_not_have(key: str) -> None:
    assert not takes(accept.new_app, name="a", annotations={key: 1})


def test_a_hundred_annotations_and_no_more() -> None:
    full = accept.new_app({"name": "a", "annotations": {f"k{n}": n for n in range(100)}}, "id", "now")
    swapped = accept.changed_app(full, {"annotations": {"k0": "", "new": 1}}, "later")
    assert len(swapped.annotations) == 100
    with pytest.raises(TargetError, match="exceed maximum permitted number of annotations keys"):
        accept.changed_app(full, {"annotations": {"new": 1}}, "later")


async def test_the_schemes_of_a_syslog_are_named(executor: Executor) -> None:
    async with executor() as running:
        said = await refused(running, "POST", "/v2/apps", {"name": "a", "syslog_url": "ftp://x"})
        schemes = "[tcp, udp, unix, unixgram, tcp+tls]"
        assert said == (400, f'invalid syslog url: "ftp://x" invalid scheme, only {schemes} are supported')
    for url in ("udp://h", "tcp://h:1", "tcp+tls://h", "unix:///s", "unixgram:///s"):
        assert takes(accept.new_app, name="a", syslog_url=url)


@pytest.mark.parametrize("shape", ["", "GENERIC_X86", "GENERIC_ARM", "GENERIC_X86_ARM"])
def test_shapes(shape: str) -> None:
    assert takes(accept.new_app, name="a", shape=shape)


@pytest.mark.parametrize("value", [1, True, [], {}])
def test_configuration_is_text(value: object) -> None:
    for make, rest in ((accept.new_app, {"name": "a"}), (accept.new_fn, FN)):
        with pytest.raises(TargetError, match="Invalid JSON"):
            make({**rest, "config": {"A": value}}, "id", "now")
        assert takes(make, **rest, config={"A": "x" * 100_000})


# Updates


@pytest.mark.parametrize("nothing", [{}, {"name": ""}, {"config": {}}, {"config": None, "annotations": None}])
def test_zero_values_change_nothing(nothing: dict[str, object]) -> None:
    more = {"config": {"A": "1"}, "annotations": {"x": 1}}
    app = accept.new_app({"name": "a", "syslog_url": "udp://h", **more}, "id", "now")
    assert accept.changed_app(app, nothing, "later") is app
    assert accept.changed_app(app, {"syslog_url": None, **nothing}, "later") is app
    fn = accept.new_fn({**FN, **more}, "id", "now")
    zeros = {"image": "", "memory": 0, "timeout": 0, "idle_timeout": 0, "app_id": ""}
    assert accept.changed_fn(fn, {**zeros, **nothing}, "later") is fn
    trigger = accept.new_trigger({**TRIGGER, "annotations": {"x": 1}}, "id", "now")
    assert accept.changed_trigger(trigger, {"source": "", "fn_id": "", **nothing}, "later") is trigger


def test_a_change_moves_the_time_of_the_update_alone() -> None:
    for make, change, document in (
        (accept.new_app, accept.changed_app, {"name": "a"}),
        (accept.new_fn, accept.changed_fn, FN),
        (accept.new_trigger, accept.changed_trigger, TRIGGER),
    ):
        old: Any = make(document, "id", "now")
        changed: Any = change(old, {"annotations": {"x": 1}}, "later")
        assert (changed.created_at, changed.updated_at) == ("now", "later")
        again: Any = change(changed, {"annotations": {"x": 1}}, "last")
        assert again.updated_at == "later"


# Lists


@pytest.mark.parametrize("asked", ["", "0", "-5", "many", "1.5", "30"])
async def test_a_page_has_30_unless_another_number_is_asked_for(executor: Executor, asked: str) -> None:
    async with executor() as running:
        await fill(running, 31)
        page = (await running.client.get("/v2/apps", params={"per_page": asked})).json()
        assert len(page["items"]) == 30


@pytest.mark.parametrize("asked", ["100", "101", "99999999999", pytest.param("9" * 5000, id="nines")])
async def test_a_page_has_100_at_most(executor: Executor, asked: str) -> None:
    async with executor() as running:
        await fill(running, 101)
        page = (await running.client.get("/v2/apps", params={"per_page": asked})).json()
        assert len(page["items"]) == 100


async def fill(running: Running, count: int) -> None:
    for number in range(count):
        await running.post("/v2/apps", {"name": f"app-{number:03}"})


async def test_a_full_page_has_a_next_one_even_if_that_is_empty(executor: Executor) -> None:
    async with executor() as running:
        empty = await running.client.get("/v2/apps")
        assert empty.content == b'{"items":[]}\n'
        await fill(running, 2)
        full = (await running.client.get("/v2/apps", params={"per_page": "2"})).json()
        assert list(full) == ["next_cursor", "items"]
        last_name = base64.urlsafe_b64encode(b"app-001").decode().rstrip("=")
        assert full["next_cursor"] == last_name
        last = await running.client.get("/v2/apps", params={"per_page": "2", "cursor": last_name})
        assert last.json() == {"items": []}


async def test_functions_are_listed_as_they_are_read(executor: Executor) -> None:
    async with executor() as running:
        ids = [await running.deploy(name) for name in ("b", "a")]
        app_id = (await running.client.get(f"/v2/fns/{ids[0]}")).json()["app_id"]
        listed = await running.items("/v2/fns", app_id=app_id)
        assert listed == [(await running.client.get(f"/v2/fns/{each}")).json() for each in reversed(ids)]
        assert listed[0]["annotations"][ENDPOINT] == f"http://localhost/invoke/{ids[1]}"
        assert [fn["id"] for fn in await running.items("/v2/fns", app_id=app_id, name="b")] == ids[:1]
