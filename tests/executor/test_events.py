"""Events as a stream: from where a reader left off, in this executor or in one before it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from nbfn.executor.events import Place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    import httpx

    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

pytestmark = pytest.mark.anyio

PATH = "/nbfn/v1/events"


async def events_in(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """Each with the id that it has in the stream."""
    place = ""
    async for line in response.aiter_lines():
        if line.startswith("id: "):
            place = line.removeprefix("id: ")
        elif line.startswith("data: "):
            event = json.loads(line.removeprefix("data: "))
            told = Place.parse(place)
            assert told is not None
            assert told.seq == event["seq"]
            yield {**event, "id": place}


async def first(running: Running, count: int = 1, **headers: str) -> list[dict[str, Any]]:
    """The first events of a new stream; ``after`` and ``fn_id`` go to the query."""
    params = {name: headers.pop(name) for name in ("after", "fn_id") if name in headers}
    async with running.client.stream("GET", PATH, params=params, headers=headers) as response:
        assert response.status_code == 200
        events = events_in(response)
        return [await anext(events) for _ in range(count)]


async def test_events_are_replayed_and_go_on(executor: Executor) -> None:
    async with executor() as running:
        one, two = await running.deploy("one"), await running.deploy("two")
        async with running.client.stream("GET", PATH, params={"fn_id": two}) as response:
            assert response.headers["content-type"] == "text/event-stream"
            events = events_in(response)
            created = await anext(events)
            assert (created["kind"], created["data"]["name"]) == ("function.created", "two")
            await running.invoke(one)
            await running.invoke(two)
            queued = await anext(events)
            assert (queued["kind"], queued["fn_id"]) == ("call.queued", two)
            assert set(queued) == {"id", "seq", "at", "kind", "fn_id", "instance_id", "call_id", "data"}


@pytest.mark.parametrize("how", ["after", "last-event-id"])
async def test_a_reader_goes_on_where_it_left_off(executor: Executor, how: str) -> None:
    async with executor() as running:
        for name in ("one", "two", "three"):
            await running.deploy(name)
        params = {"after": "2"} if how == "after" else {}
        headers = {"Last-Event-ID": "2"} if how != "after" else {}
        async with running.client.stream("GET", PATH, params=params, headers=headers) as response:
            assert (await anext(events_in(response)))["data"]["name"] == "three"


@pytest.mark.parametrize("odd", ["zz", "-1", "1.5", "NOW"])
async def test_events_after_what_is_no_number_are_refused(executor: Executor, odd: str) -> None:
    async with executor() as running:
        response = await running.client.get(PATH, params={"after": odd})
        assert (response.status_code, f"after is {odd!r}" in response.json()["message"]) == (400, True)


async def test_after_now_tells_only_what_is_new(executor: Executor) -> None:
    async with executor() as running:
        await running.deploy("old")
        async with running.client.stream("GET", PATH, params={"after": "now"}) as response:
            await running.deploy("new")
            assert (await anext(events_in(response)))["data"]["name"] == "new"


@pytest.mark.parametrize("how", ["after", "Last-Event-ID"])
async def test_a_reader_of_another_executors_events_gets_all_of_this_ones(
    executor: Executor, how: str
) -> None:
    """Also if this one has had as many by now: its numbers begin anew."""
    async with executor() as running:
        for name in ("one", "two"):
            await running.deploy(name)
        old = (await first(running, 2))[1]["id"]
    async with executor() as running:
        for name in ("three", "four", "five"):
            await running.deploy(name)
        missed, *all_of_it = await first(running, 4, **{how: old})
        assert (missed["kind"], missed["data"]) == ("events.missed", {"count": 0, "restarted": True})
        assert [event["data"]["name"] for event in all_of_it] == ["three", "four", "five"]
        assert [event["kind"] for event in await first(running, **{how: all_of_it[1]["id"]})] == [
            "function.created"
        ], "a place of its own is one to go on from"


async def test_how_far_a_reader_came_outweighs_what_it_first_asked_for(executor: Executor) -> None:
    """A browser that was cut off sends the same query again, with the id of what it had last."""
    async with executor() as running:
        for name in ("one", "two", "three"):
            await running.deploy(name)
        begun = (await first(running))[0]["id"]
        for after in ("now", "0", "3"):
            (event,) = await first(running, after=after, **{"Last-Event-ID": begun})
            assert event["data"]["name"] == "two"
        (event,) = await first(running, after="2", **{"Last-Event-ID": "no place"})
        assert event["data"]["name"] == "three"


async def test_a_reader_that_had_heard_nothing_yet_is_told_of_another_executor(executor: Executor) -> None:
    async with executor() as running, running.client.stream("GET", PATH) as response:
        lines = response.aiter_lines()
        place = next(line for line in [await anext(lines), await anext(lines)] if line[:3] == "id:")[4:]
    async with executor() as running:
        await running.deploy("here")
        missed, here = await first(running, 2, **{"Last-Event-ID": place})
        assert (missed["data"]["restarted"], here["data"]["name"]) == (True, "here")


@pytest.mark.parametrize("odd", ["9999", "9" * 5000])
async def test_a_number_that_is_yet_to_come_was_another_executors(executor: Executor, odd: str) -> None:
    async with executor() as running:
        await running.deploy("here")
        missed, here = await first(running, 2, after=odd)
        assert (missed["data"]["restarted"], here["data"]["name"]) == (True, "here")


async def test_a_stream_tells_its_place_before_anything_happens(executor: Executor) -> None:
    async with executor() as running:
        await running.deploy("before")
        async with running.client.stream("GET", PATH, params={"after": "now"}) as response:
            lines = response.aiter_lines()
            place = next(line for line in [await anext(lines), await anext(lines)] if line[:3] == "id:")[4:]
        await running.deploy("meanwhile")
        assert (await first(running, **{"Last-Event-ID": place}))[0]["data"]["name"] == "meanwhile"


async def test_a_reader_that_does_not_read_holds_up_nobody(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        async with running.client.stream("GET", PATH, params={"after": "now"}) as response:
            for _ in range(12_000):
                running.parts.events.emit("log", fn_id, data={"stream": "stdout", "text": "x" * 500})
            assert (await running.invoke(fn_id)).status_code == 200
            seqs, missed = [], 0
            async for event in events_in(response):
                if event["kind"] == "events.missed":
                    missed += event["data"]["count"]
                    assert not event["data"]["restarted"]
                else:
                    seqs.append(event["seq"])
                if event["kind"] == "call.finished":
                    break
        assert seqs == sorted(seqs)
        assert len(seqs) < 12_000
        assert len(seqs) + missed == seqs[-1] - 1, "all but the first, which was before"


async def test_what_is_kept_no_more_is_told_of_to_who_had_begun(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        begun = (await first(running))[0]["id"]
        for at in range(10_100):
            running.parts.events.emit("log", fn_id, data={"stream": "stdout", "text": str(at)})
        missed, oldest = await first(running, 2, after=begun, fn_id=fn_id)
        assert (missed["kind"], missed["data"]) == ("events.missed", {"count": 100, "restarted": False})
        assert oldest["data"]["text"] == "100"
        assert [event["kind"] for event in await first(running)] == ["log"], "who begins has missed none"


async def test_names_of_images_are_counted_with_what_is_kept(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        for number in range(30):
            image = f"{number}/" + "x" * 900_000
            assert (await running.client.put(f"/v2/fns/{fn_id}", json={"image": image})).status_code == 200
        kept = running.parts.events.after(0)
        assert 0 < sum(len(str(event.data)) for event in kept) < 20_000_000
