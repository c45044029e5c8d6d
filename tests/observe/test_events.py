"""Events of a real executor, followed across its death; and streams that are none."""

from __future__ import annotations

import json
import logging
import queue
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn import config, local
from nbfn.deploy.fn import FnTarget
from nbfn.observe import RESTARTED, Subscription, subscribe
from nbfn.observe.events import parse
from nbfn.spec import MISSED, Event, FunctionSpec, ImageRef
from tests.session import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from nbfn.config import Settings
    from nbfn.transport import Endpoint

IMAGE = ImageRef("nbfn.local/notebook/greet", "sha256:" + "a" * 64)
WAIT_S = 60


@pytest.fixture
def settings(state: Path) -> Iterator[Settings]:
    settings = config.load({"NBFN_STATE": str(state), "NBFN_DRIVER": "fake"})
    yield settings
    running.stop(settings)


def deploy(endpoint: Endpoint, name: str) -> str:
    with endpoint.client(timeout=WAIT_S) as client:
        return FnTarget(client).apply(FunctionSpec(name, "notebook"), IMAGE, "sha256:1").fn_id


def follow(settings: Settings, fn_id: str = "", **options: Any) -> tuple[Subscription, queue.Queue[Event]]:
    heard: queue.Queue[Event] = queue.Queue()
    return subscribe(lambda: local.find(settings), fn_id, heard.put, **options), heard


def test_what_happens_is_told_from_now_on(settings: Settings) -> None:
    endpoint = local.ensure(settings)
    deploy(endpoint, "before")
    subscription, heard = follow(settings)
    with subscription:
        fn_id = deploy(endpoint, "after")
        event = heard.get(timeout=WAIT_S)
        assert (event.kind, event.fn_id, event.data["name"]) == ("function.created", fn_id, "after")
        assert subscription.open
    assert not subscription.open


def test_what_is_remembered_can_be_asked_for_and_of_one_function_only(settings: Settings) -> None:
    endpoint = local.ensure(settings)
    fn_ids = [deploy(endpoint, name) for name in ("one", "two", "three")]
    subscription, heard = follow(settings, fn_ids[1], after=0)
    with subscription:
        assert heard.get(timeout=WAIT_S).fn_id == fn_ids[1]
        deploy(endpoint, "four")
    assert heard.empty()


def test_another_executor_is_announced_and_told_from_its_beginning(settings: Settings) -> None:
    fn_id = deploy(local.ensure(settings), "greet")
    endpoint = [local.ensure(settings)]
    heard: queue.Queue[Event] = queue.Queue()
    with subscribe(lambda: endpoint[0], "", heard.put):
        running.kill(settings)
        assert heard.get(timeout=WAIT_S).kind == RESTARTED
        endpoint[0] = local.ensure(settings)
        with endpoint[0].client(timeout=WAIT_S) as client:
            client.delete(f"/v2/fns/{fn_id}").raise_for_status()
        event = heard.get(timeout=WAIT_S)
        assert (event.kind, event.fn_id) == ("function.deleted", fn_id)


def test_an_observer_that_raises_is_dropped_and_hurts_no_other(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = local.ensure(settings)

    def broken(_: Event) -> None:
        raise RuntimeError("my own trouble")

    bad = subscribe(lambda: endpoint, "", broken)
    subscription, heard = follow(settings)
    with subscription, caplog.at_level(logging.WARNING):
        deploy(endpoint, "one")
        deploy(endpoint, "two")
        assert [heard.get(timeout=WAIT_S).data["name"] for _ in range(2)] == ["one", "two"]
        bad.wait(WAIT_S)
    assert not bad.open
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_following_what_is_not_there_is_no_error(settings: Settings) -> None:
    endpoint = local.ensure(settings)
    running.stop(settings)
    with subscribe(lambda: endpoint, "", lambda _: None) as subscription:
        assert subscription.open
    with subscribe(lambda: None, "", lambda _: None) as ended:
        ended.wait(WAIT_S)
        assert not ended.open


def test_another_executor_is_noticed_that_took_the_place_unseen(settings: Settings) -> None:
    """Nobody was refused in between: only the ids tell that these are another one's events."""
    fn_id = deploy(local.ensure(settings), "greet")
    endpoint = [local.ensure(settings)]
    came_back = threading.Event()

    def where() -> Endpoint:
        if not local.find(settings):
            came_back.wait(WAIT_S)
        return endpoint[0]

    heard: queue.Queue[Event] = queue.Queue()
    with subscribe(where, "", heard.put, after=0):
        assert heard.get(timeout=WAIT_S).seq == 1
        running.kill(settings)
        endpoint[0] = local.ensure(settings)
        deploy(endpoint[0], "other")
        came_back.set()
        assert [heard.get(timeout=WAIT_S).kind for _ in range(3)] == [
            RESTARTED,
            MISSED,
            "function.created",
        ]
        with endpoint[0].client(timeout=WAIT_S) as client:
            client.delete(f"/v2/fns/{fn_id}").raise_for_status()
        assert heard.get(timeout=WAIT_S).kind == "function.deleted"


def read(text: str) -> list[tuple[str, Event | None]]:
    async def lines() -> AsyncIterator[str]:
        for line in text.splitlines():
            yield line

    async def collect() -> list[tuple[str, Event | None]]:
        return [each async for each in parse(lines())]

    return anyio.run(collect)


def test_a_stream_is_read_past_what_is_no_event() -> None:
    good = json.dumps({"seq": 7, "at": 1.5, "kind": "log", "data": {"text": "ä\n"}})
    text = ": nbfn\nid: a-5\n\nid: a-6\ndata: nonsense\n\ndata: [1]\n\n"
    text += f"id: a-7\ndata: {good}\n\nretry: 3\n\ndata: {{\n"
    assert read(text) == [("a-5", None), ("a-7", Event(7, 1.5, "log", data={"text": "ä\n"}))]


@given(st.text(alphabet=st.sampled_from('data:id{}[]"sqk1,. \n'), max_size=60))
def test_no_stream_breaks_the_reader(text: str) -> None:
    read(text)
