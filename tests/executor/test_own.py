"""Leases, calls and the end: the routes that Fn does not have."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from nbfn.drivers.fake import FakeAnswer, FakeCall, Script

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

pytestmark = pytest.mark.anyio


async def test_info(executor: Executor) -> None:
    async with executor(memory_mb=321) as running:
        info = (await running.client.get("/nbfn/v1/info")).json()
        assert (info["pid"], info["driver"], info["memory_mb"]) == (1, "fake", 321)
        assert info["state"] == str(running.settings.state)
        assert info["images"] == str(running.settings.images)
        assert set(info["isolation"]) == {"tier", "mechanisms", "missing"}
        assert (info["leases"], info["instances"]) == (0, 0)


async def test_a_lease_counts_for_as_long_as_it_is_open(executor: Executor) -> None:
    async with executor() as running:
        leases = running.parts.leases
        async with running.client.stream("GET", "/nbfn/v1/lease") as response:
            assert response.status_code == 200
            assert leases.open == 1
            leases.changed.clear()
        await leases.changed.wait()
        assert leases.open == 0


async def test_a_call_has_the_id_that_its_caller_gives_it(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        mine = "01M" + "A" * 23
        response = await running.invoke(fn_id, **{"Nbfn-Call-Id": mine})
        assert response.headers["fn-call-id"] == mine
        assert (await running.client.get(f"/nbfn/v1/calls/{mine}")).json()["status"] == 200
        for odd in ("", "short", "01M" + "a" * 23, "Z" * 26):
            response = await running.invoke(fn_id, **{"Nbfn-Call-Id": odd})
            assert re.fullmatch("0[0-9A-Z]{25}", response.headers["fn-call-id"])


def gated() -> tuple[asyncio.Event, Script]:
    """A function whose calls with a body wait for the event."""
    gate = asyncio.Event()

    async def answer(call: FakeCall) -> FakeAnswer:
        if call.body:
            await gate.wait()
        return FakeAnswer(b"done")

    return gate, Script(answer=answer)


async def test_calls_that_wait_or_run_are_listed_before_those_that_are_over(executor: Executor) -> None:
    gate, script = gated()
    async with executor(script) as running:
        fn_id = await running.deploy(annotations={"nbfn.org/max-instances": 1})
        other = await running.deploy("other")
        path = f"/nbfn/v1/fns/{fn_id}/calls"
        assert await running.items(path) == []
        over = (await running.invoke(fn_id)).headers["fn-call-id"]
        detached = {"Fn-Invoke-Type": "detached"}
        runs, waits = [
            (await running.invoke(fn_id, b"x", **detached)).headers["fn-call-id"] for _ in range(2)
        ]
        listed = await running.items(path)
        assert [call["id"] for call in listed] == [waits, runs, over]
        assert [call["status"] for call in listed] == [0, 0, 200]
        assert [bool(call["instance_id"]) for call in listed] == [False, True, True]
        assert [call["id"] for call in await running.items(path, per_page="2")] == [waits, runs]
        assert await running.items(f"/nbfn/v1/fns/{other}/calls") == []
        gate.set()
        await running.happened("call.finished", 3)
        assert {call["status"] for call in await running.items(path)} == {200}


async def test_calls_and_logs_are_of_a_function_and_a_number_that_exist(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        for what, limit in (("calls", "per_page"), ("logs", "limit")):
            unknown = await running.client.get(f"/nbfn/v1/fns/nosuch/{what}")
            assert (unknown.status_code, unknown.json()) == (404, {"message": "Fn not found"})
            for odd in ("zz", "0", "-1", "", "1.5"):
                response = await running.client.get(f"/nbfn/v1/fns/{fn_id}/{what}", params={limit: odd})
                assert (response.status_code, f"{limit} is {odd!r}" in response.text) == (400, True)
            assert await running.items(f"/nbfn/v1/fns/{fn_id}/{what}", **{limit: "9" * 5000}) == []
        for odd in ("zz!", "eA", "IA", "bmFuIA"):
            response = await running.client.get(f"/nbfn/v1/fns/{fn_id}/calls", params={"cursor": odd})
            assert (response.status_code, repr(odd) in response.text) == (400, True)


async def pages(running: Running, path: str, size: int) -> list[list[dict[str, Any]]]:
    """All pages of a list."""
    found, params = [], {"per_page": str(size)}
    while True:
        page = (await running.client.get(path, params=params)).json()
        found.append(page["items"])
        if "next_cursor" not in page:
            return found
        params["cursor"] = page["next_cursor"]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
async def test_the_pages_of_a_list_of_calls_have_all_of_them_once(executor: Executor, size: int) -> None:
    gate, script = gated()
    async with executor(script) as running:
        fn_id, other = await running.deploy(), await running.deploy("other")
        over = [(await running.invoke(fn_id)).headers["fn-call-id"] for _ in range(3)]
        await running.invoke(other)
        detached = {"Fn-Invoke-Type": "detached"}
        live = [(await running.invoke(fn_id, b"x", **detached)).headers["fn-call-id"] for _ in range(2)]
        found = await pages(running, f"/nbfn/v1/fns/{fn_id}/calls", size)
        assert [call["id"] for page in found for call in page] == [*live[::-1], *over[::-1]]
        assert {len(page) for page in found[:-1]} <= {size}
        gate.set()


async def test_a_call_that_ends_while_pages_are_turned_is_not_missed(executor: Executor) -> None:
    gates = {name: asyncio.Event() for name in (b"a", b"b")}

    async def answer(call: FakeCall) -> FakeAnswer:
        await gates[call.body].wait()
        return FakeAnswer(b"done")

    async with executor(Script(answer=answer)) as running:
        fn_id = await running.deploy()
        path = f"/nbfn/v1/fns/{fn_id}/calls"
        calls = [asyncio.create_task(running.invoke(fn_id, name)) for name in gates]
        await running.happened("call.started", 2)
        one = (await running.client.get(path, params={"per_page": "1"})).json()
        for gate in gates.values():
            gate.set()
        ids = {(await call).headers["fn-call-id"] for call in calls}
        await running.happened("call.finished", 2)
        rest = await running.items(path, cursor=one["next_cursor"])
        assert {call["id"] for call in one["items"] + rest} == ids


@pytest.mark.parametrize("way", ["", "detached"])
async def test_the_id_of_another_call_is_refused_and_harms_no_record(executor: Executor, way: str) -> None:
    gate = asyncio.Event()

    async def answer(_: FakeCall) -> FakeAnswer:
        await gate.wait()
        return FakeAnswer(b"done")

    mine = {"Nbfn-Call-Id": "01M" + "C" * 23, "Fn-Invoke-Type": way}
    async with executor(Script(answer=answer)) as running:
        fn_id = await running.deploy()
        first = asyncio.create_task(running.invoke(fn_id, **mine))
        await running.happened("call.started")
        for body in (b"", b"x" * 100_000):
            response = await running.invoke(fn_id, body, **mine)
            assert (response.status_code, mine["Nbfn-Call-Id"] in response.text) == (409, True)
        gate.set()
        await first
        await running.happened("call.finished")
        assert (await running.invoke(fn_id, **mine)).status_code == 409
        await running.invoke(fn_id)
        calls = await running.items(f"/nbfn/v1/fns/{fn_id}/calls")
        assert [call["status"] for call in calls] == [200, 200]
    async with executor(Script(answer=answer)) as running:  # another one knows it, too
        assert (await running.invoke(fn_id, **mine)).status_code == 409


async def test_a_running_call_is_found_and_cancelled_from_elsewhere(executor: Executor) -> None:
    async def answer(call: FakeCall) -> FakeAnswer:
        await asyncio.Event().wait()
        raise AssertionError

    async with executor(Script(answer=answer)) as running:
        fn_id = await running.deploy()
        mine = "01M" + "B" * 23
        call = asyncio.create_task(running.invoke(fn_id, **{"Nbfn-Call-Id": mine}))
        await running.happened("call.started")
        found = (await running.client.get(f"/nbfn/v1/calls/{mine}")).json()
        assert (found["id"], found["fn_id"], found["status"], found["start"]) == (mine, fn_id, 0, "cold")
        assert (await running.client.delete(f"/nbfn/v1/calls/{mine}")).status_code == 204
        response = await call
        assert (response.status_code, response.json()["message"]) == (444, "the call was cancelled")
        await running.happened("instance.stopped")
        assert (await running.client.delete(f"/nbfn/v1/calls/{mine}")).status_code == 404
        assert (await running.client.get(f"/nbfn/v1/calls/{mine}")).json()["status"] == 444


async def test_the_timeline_of_a_call_has_its_steps_and_its_output(executor: Executor) -> None:
    gate = asyncio.Event()

    async def answer(call: FakeCall) -> FakeAnswer:
        call.instance.write("here\n")
        await gate.wait()
        return FakeAnswer(b"done", headers={"Nbfn-Import-Ms": "0.001", "Nbfn-Run-Ms": "2.5"})

    async with executor(Script(answer=answer)) as running:
        fn_id = await running.deploy()
        mine = "01M" + "D" * 23
        call = asyncio.create_task(running.invoke(fn_id, **{"Nbfn-Call-Id": mine}))
        await running.happened("log")
        path = f"/nbfn/v1/calls/{mine}/timeline"
        meanwhile = (await running.client.get(path)).json()
        assert meanwhile["call"]["status"] == 0
        assert [step["what"] for step in meanwhile["items"]] == ["queued", "log"]
        gate.set()
        await call
        told = (await running.client.get(path)).json()
        assert told["call"] == (await running.client.get(f"/nbfn/v1/calls/{mine}")).json()
        steps = told["items"]
        assert sorted(step["what"] for step in steps[1:-1]) == ["importing", "log", "running", "starting"]
        assert (steps[0]["what"], steps[-1]["what"]) == ("queued", "finished")
        took = {step["what"]: step["took_ms"] for step in steps if "took_ms" in step}
        timings = told["call"]["timings_ms"]
        assert (took["queued"], took["starting"]) == (timings["queue"], timings["start"])
        assert (took["importing"], took["running"]) == (0.001, 2.5)
        assert [step["text"] for step in steps if step["what"] == "log"] == ["here\n"]
        assert (await running.client.get("/nbfn/v1/calls/nosuch/timeline")).status_code == 404
        warm = (await running.invoke(fn_id)).headers["fn-call-id"]
        steps = (await running.client.get(f"/nbfn/v1/calls/{warm}/timeline")).json()["items"]
        assert {step["what"] for step in steps} == {"queued", "running", "log", "finished"}


@pytest.mark.parametrize("told", ["nan", "inf", "-1e300", "1e999", "x"])
async def test_a_time_that_cannot_be_is_not_kept(executor: Executor, told: str) -> None:
    """JSON has no NaN: one function's call would make everybody's lists and events unreadable."""

    def strict(text: str) -> None:
        raise AssertionError(f"not JSON: {text}")

    async def answer(call: FakeCall) -> FakeAnswer:
        return FakeAnswer(b"done", headers={"Nbfn-Import-Ms": told, "Nbfn-Run-Ms": told})

    async with executor(Script(answer=answer)) as running:
        fn_id = await running.deploy()
        call_id = (await running.invoke(fn_id)).headers["fn-call-id"]
        text = (await running.client.get(f"/nbfn/v1/calls/{call_id}")).text
        timings = json.loads(text, parse_constant=strict)["timings_ms"]
        assert "import" not in timings
        assert 0 <= timings["run"] < 60_000, "what the executor measured"


async def test_an_answer_that_nobody_thought_of_ends_its_call(
    executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise ValueError("something new")

    async with executor() as running:
        fn_id = await running.deploy()
        with monkeypatch.context() as patch:
            patch.setattr("nbfn.executor.answers.response_to", fail)
            answer = await running.invoke(fn_id)
        assert (answer.status_code, answer.json()["message"]) == (
            502,
            "invalid function response: something new",
        )
        assert (await running.invoke(fn_id)).status_code == 200


async def test_a_number_without_end_is_no_number(executor: Executor) -> None:
    async def answer(call: FakeCall) -> FakeAnswer:
        told = {"Nbfn-Runtime": "1", "Nbfn-Output": "", "Nbfn-Output-Cut": "9" * 5000}
        return FakeAnswer(b"done", headers=told)

    async with executor(Script(answer=answer)) as running:
        fn_id = await running.deploy()
        assert (await running.invoke(fn_id)).status_code == 200


async def test_stop_asks_for_the_end(executor: Executor) -> None:
    async with executor() as running:
        assert (await running.client.post("/nbfn/v1/stop")).status_code == 202
        assert (await running.client.post("/nbfn/v1/stop?grace_s=0.5")).status_code == 202
        assert running.stopped_with == [None, 0.5]
        for odd in ("grace_s=soon", "grace_s=nan", "wait=long"):
            assert (await running.client.post(f"/nbfn/v1/stop?{odd}")).status_code == 400
        assert (await running.client.get("/nbfn/v1/stop")).status_code == 405
