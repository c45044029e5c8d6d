"""Calls through the whole executor, on instances that behave as each test wants."""

from __future__ import annotations

import asyncio
import base64
import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

from nbfn.drivers.base import StartFailed
from nbfn.drivers.fake import FakeAnswer, FakeCall, FakeInstance, Script, echo
from nbfn.executor.body import Body
from nbfn.executor.calls import Call
from nbfn.executor.detached import Results
from nbfn.executor.ids import new_id
from nbfn.schedule.state import Bounds
from tests.executor.conftest import request_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

pytestmark = pytest.mark.anyio


def answering(status: int = 200, body: bytes = b"", **headers: str) -> Script:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_: FakeCall) -> FakeAnswer:
        return FakeAnswer(body, status, named)

    return Script(answer=answer)


class Gate:
    """A script whose calls wait until the test opens the gate."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.script = Script(answer=self.answer)

    async def answer(self, call: FakeCall) -> FakeAnswer:
        await self.open.wait()
        return await echo(call)


async def test_the_first_call_is_cold_the_second_is_warm_and_both_say_so(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        first, second = await running.invoke(fn_id, b"one"), await running.invoke(fn_id, b"two")
        assert (first.status_code, first.content, second.content) == (200, b"one", b"two")
        assert (first.headers["nbfn-start"], first.headers["nbfn-cold-reason"]) == ("cold", "first-call")
        assert second.headers["nbfn-start"] == "warm"
        assert "nbfn-cold-reason" not in second.headers
        for response in (first, second):
            for name in ("queue", "start", "total"):
                assert float(response.headers[f"nbfn-{name}-ms"]) >= 0
        assert first.headers["nbfn-instance-id"] == second.headers["nbfn-instance-id"]
        assert first.headers["fn-call-id"] != second.headers["fn-call-id"]


async def test_what_the_instance_gets(executor: Executor) -> None:
    seen: list[FakeCall] = []

    async def answer(call: FakeCall) -> FakeAnswer:
        seen.append(call)
        return await echo(call)

    async with executor(Script(answer=answer)) as running:
        fn_id = await running.deploy(config={"COLOUR": "blue", "FN_MEMORY": "forged"}, memory=200)
        headers = {
            "X-Custom": "v1",
            "Nbfn-Salt": "00ff",
            "Fn-Call-Id": "forged",
            "Fn-Deadline": "forged",
            "Proxy-Authorization": "x",
            "TE": "trailers",
            "Content-Type": "text/weird",
        }
        response = await running.invoke(fn_id, b"body", **headers)
        (call,) = seen
        assert (call.method, call.path, call.body) == ("POST", "/call", b"body")
        assert (call.headers["x-custom"], call.headers["nbfn-salt"]) == ("v1", "00ff")
        assert call.headers["content-type"] == "text/weird"
        assert call.headers["host"] == "localhost"
        assert call.headers["fn-call-id"] == response.headers["fn-call-id"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", call.headers["fn-deadline"])
        # The token would give a function the executor itself.
        assert not {"authorization", "proxy-authorization", "te", "connection"} & set(call.headers)
        env = call.instance.env
        assert (env["COLOUR"], env["FN_MEMORY"], env["FN_FORMAT"]) == ("blue", "200", "http-stream")
        assert (env["FN_FN_ID"], env["FN_FN_NAME"], env["FN_APP_NAME"]) == (fn_id, "greet", "shop")
        assert env["NBFN_INSTANCE_ID"] == response.headers["nbfn-instance-id"]


async def test_what_the_caller_gets(executor: Executor) -> None:
    script = answering(
        200, b"{}", Content_Type="application/json", X_Own="1", Fn_Call_Id="forged", Nbfn_Start="forged",
        Connection="keep-alive, X-Secret",
    )  # fmt: skip
    async with executor(script) as running:
        response = await running.invoke(await running.deploy())
        assert (response.headers["content-type"], response.headers["x-own"]) == ("application/json", "1")
        assert response.headers.get_list("fn-call-id") == [response.headers["fn-call-id"]]
        assert response.headers.get_list("nbfn-start") == ["cold"]
        assert "connection" not in response.headers


@pytest.mark.parametrize("size", [0, 1, 65_536, 5_000_000])
async def test_bodies_of_any_size_come_back_whole(executor: Executor, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    async with executor() as running:
        fn_id = await running.deploy()
        assert (await running.invoke(fn_id, body[:size])).content == body[:size]


async def test_a_chunked_body_comes_whole(executor: Executor) -> None:
    async def pieces():
        for piece in (b"one ", b"two ", b"three"):
            yield piece

    async with executor() as running:
        response = await running.client.post(f"/invoke/{await running.deploy()}", content=pieces())
        assert response.content == b"one two three"


async def test_a_body_over_the_limit_is_refused_before_it_is_read(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        reader, writer = await running.dial()
        head = request_bytes(fn_id, b"").replace(b"Content-Length: 0", b"Content-Length: 99999999999999")
        writer.write(head)
        assert b" 413 " in await reader.readline()
        told = b"Content-Length too large for this server, 99999999999999 > max 68719476736"
        assert told in await reader.readuntil(b"}")
        writer.close()
        await writer.wait_closed()
        assert running.driver.started == []


# How a call fails: Fn's statuses and texts, and the cause


@pytest.mark.parametrize(
    ("status", "error", "expected", "message"),
    [
        (502, "ValueError: no", 502, "function failed: ValueError: no"),
        (502, "", 502, "function failed"),
        (504, "", 504, "Timed out"),
        (201, "", 502, "invalid function response: status 201"),
        (500, "", 502, "invalid function response: status 500"),
        (413, "no room", 502, "invalid function response: status 413: no room"),
    ],
)
async def test_statuses_of_an_instance(
    executor: Executor, status: int, error: str, expected: int, message: str
) -> None:
    headers = {"Nbfn_Error": error} if error else {}
    async with executor(answering(status, b"secret", **headers)) as running:
        fn_id = await running.deploy()
        response = await running.invoke(fn_id)
        assert (response.status_code, response.json()) == (expected, {"message": message})
        assert response.headers.get_list("nbfn-error") == [message]
        again = await running.invoke(fn_id)
        kept = status in (502, 504)
        assert again.headers["nbfn-start"] == ("warm" if kept else "cold")
        assert again.headers.get("nbfn-cold-reason") == (None if kept else "crashed")


async def test_a_call_over_its_timeout_is_answered_and_its_instance_stopped(executor: Executor) -> None:
    gate = Gate()
    async with executor(gate.script) as running:
        response = await running.invoke(await running.deploy(timeout=1))
        assert response.status_code == 504
        assert response.json()["message"] == "Timed out: it ran longer than its timeout of 1 s"
        await running.happened("instance.stopped")
        stopping = [e for e in running.parts.events.after(0) if e.kind == "instance.stopping"]
        assert [event.data["why"] for event in stopping] == ["timeout"]


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        ({"code": 3}, "exit code 3"),
        ({"signal_number": signal.SIGSEGV}, "killed by SIGSEGV"),
        ({"out_of_memory": True}, "out of memory: more than 128 MB"),
    ],
)
async def test_an_instance_that_dies_in_a_call_is_named_with_its_end(
    executor: Executor, end: dict[str, int], cause: str
) -> None:
    async def answer(call: FakeCall) -> FakeAnswer:
        call.instance.end(**end)
        return FakeAnswer()

    async with executor(Script(answer=answer)) as running:
        fn_id = await running.deploy()
        response = await running.invoke(fn_id)
        assert response.status_code == 502
        assert response.json()["message"] == f"error receiving function response: {cause}"
        running.script.answer = echo
        assert (await running.invoke(fn_id)).headers["nbfn-cold-reason"] == "crashed"


@pytest.mark.parametrize(
    ("stage", "status", "text"),
    [
        ("image", 502, "Failed to pull image 'it:1': no"),
        ("late", 504, "Image pull timed out: no"),
        ("init", 502, "Container failed to initialize"),
        ("start", 502, "Container failed to initialize"),
        ("timeout", 504, "Container initialization timed out"),
    ],
)
async def test_a_start_that_fails_fails_its_call(
    executor: Executor, stage: str, status: int, text: str
) -> None:
    async def start(_: FakeInstance) -> None:
        raise StartFailed(stage, "no")

    async with executor(Script(start=start)) as running:
        fn_id = await running.deploy()
        for _ in range(2):
            response = await running.invoke(fn_id)
            assert response.status_code == status
            assert response.json()["message"].startswith(text)
            assert response.json()["message"].endswith("no")
        running.script.start = Script().start
        assert (await running.invoke(fn_id)).status_code == 200
        assert running.kinds().count("instance.starting") == 3


async def test_a_driver_that_breaks_is_an_answer_too(
    executor: Executor, caplog: pytest.LogCaptureFixture
) -> None:
    async def start(_: FakeInstance) -> None:
        raise ZeroDivisionError("a bug")

    async with executor(Script(start=start)) as running:
        response = await running.invoke(await running.deploy())
        assert (response.status_code, response.json()["message"]) == (500, "internal server error: a bug")
    assert "ZeroDivisionError" in caplog.text


async def test_no_such_function_and_no_such_method(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        response = await running.invoke("nosuch")
        assert (response.status_code, response.json()) == (404, {"message": "Fn not found"})
        response = await running.client.get(f"/invoke/{fn_id}")
        assert (response.status_code, response.headers["allow"]) == (405, "POST")
        assert (await running.client.post(f"/invoke/{fn_id}/more")).status_code == 404


# Who waits for whom


async def test_a_caller_that_hangs_up_stops_its_instance(executor: Executor) -> None:
    gate = Gate()
    async with executor(gate.script) as running:
        fn_id = await running.deploy()
        _, writer = await running.dial()
        writer.write(request_bytes(fn_id, b"x"))
        await running.happened("call.started")
        writer.close()
        await writer.wait_closed()
        await running.happened("instance.stopped")
        (record,) = await running.items(f"/nbfn/v1/fns/{fn_id}/calls")
        assert (record["status"], record["message"]) == (444, "the caller went away")
        gate.open.set()
        assert (await running.invoke(fn_id)).status_code == 200


async def test_a_caller_that_hangs_up_while_waiting_leaves_the_queue(executor: Executor) -> None:
    gate = Gate()
    async with executor(gate.script, memory_mb=128) as running:
        fn_id = await running.deploy()
        first = asyncio.ensure_future(running.invoke(fn_id))
        await running.happened("call.started")
        _, writer = await running.dial()
        writer.write(request_bytes(fn_id, b"x"))
        await running.happened("call.queued", 2)
        writer.close()
        await writer.wait_closed()
        await running.happened("call.finished")
        gate.open.set()
        assert (await first).status_code == 200
        assert running.kinds().count("instance.starting") == 1


async def test_many_callers_at_once_get_their_own_answers_on_no_more_instances_than_callers(
    executor: Executor,
) -> None:
    async with executor() as running:
        fn_id = await running.deploy()

        async def calls(caller: int) -> None:
            for number in range(20):
                body = f"{caller}-{number}".encode()
                assert (await running.invoke(fn_id, body)).content == body

        await asyncio.gather(*(calls(caller) for caller in range(16)))
        assert len(running.driver.started) <= 16
        assert sum(instance.calls for instance in running.driver.instances.values()) == 320


async def test_a_full_queue_refuses_with_429(executor: Executor) -> None:
    gate = Gate()
    async with executor(gate.script, memory_mb=128) as running:
        fn_id = await running.deploy()
        first = [asyncio.ensure_future(submit(running, fn_id))]
        await running.happened("call.started")
        first += [asyncio.ensure_future(submit(running, fn_id)) for _ in range(Bounds().calls_of_one)]
        await running.happened("call.queued", Bounds().calls_of_one + 1)
        response = await running.invoke(fn_id)
        assert response.status_code == 429
        assert response.headers["retry-after"] == "15"
        gate.open.set()
        assert {await each for each in first} == {200}


async def submit(running: Running, fn_id: str) -> int:
    """A call without a connection of its own: a thousand of those would need as many descriptors."""
    revision = running.parts.pool.revision(fn_id)
    assert revision is not None
    result = Results().new("", fn_id, 0.0, 0)
    assert result is not None
    call = Call(new_id(), revision, b"", Body.of([]), result, time.monotonic(), time.time())
    running.parts.pool.submit(call)
    while not call.over:
        await running.parts.events.newer(running.parts.events.last)
    return result.status


async def test_idle_instances_of_another_function_make_room(executor: Executor) -> None:
    async with executor(memory_mb=200) as running:
        one, two = await running.deploy("one"), await running.deploy("two")
        await running.invoke(one)
        assert (await running.invoke(two)).headers["nbfn-cold-reason"] == "first-call"
        assert (await running.invoke(one)).headers["nbfn-cold-reason"] == "evicted"


async def test_an_idle_instance_that_died_unseen_costs_the_caller_nothing(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        await running.invoke(fn_id)
        (instance,) = running.driver.instances.values()
        instance.end(code=1)  # in this very turn of the loop: nobody can know yet
        response = await running.invoke(fn_id)
        assert (response.status_code, response.headers["nbfn-cold-reason"]) == (200, "crashed")


# What changes reach the next call


async def test_a_changed_function_is_what_the_next_call_runs(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        await running.invoke(fn_id)
        await running.client.put(f"/v2/fns/{fn_id}", json={"config": {"A": "1"}})
        response = await running.invoke(fn_id)
        assert response.headers["nbfn-cold-reason"] == "new-revision"
        assert running.driver.started[-1].env["A"] == "1"
        app_id = (await running.client.get(f"/v2/fns/{fn_id}")).json()["app_id"]
        await running.client.put(f"/v2/apps/{app_id}", json={"config": {"B": "2", "A": "under"}})
        assert (await running.invoke(fn_id)).headers["nbfn-cold-reason"] == "new-revision"
        assert (running.driver.started[-1].env["A"], running.driver.started[-1].env["B"]) == ("1", "2")


async def test_a_deleted_function_is_gone_for_the_next_call(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        await running.invoke(fn_id)
        assert (await running.client.delete(f"/v2/fns/{fn_id}")).status_code == 204
        assert (await running.invoke(fn_id)).status_code == 404
        await running.happened("instance.stopped")


# What is told about it afterwards


async def test_events_of_a_cold_and_a_warm_call(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        await running.invoke(fn_id)
        await running.invoke(fn_id)
        assert running.kinds() == [
            "function.created",
            "call.queued",
            "instance.starting",
            "instance.ready",
            "instance.busy",
            "call.started",
            "call.finished",
            "instance.idle",
            "call.queued",
            "instance.busy",
            "call.started",
            "call.finished",
            "instance.idle",
        ]
        finished = [e for e in running.parts.events.after(0) if e.kind == "call.finished"]
        assert [(e.data["start"], e.data["reason"]) for e in finished] == [
            ("cold", "first-call"),
            ("warm", ""),
        ]
        assert set(finished[0].data["timings_ms"]) == {"queue", "start", "import", "run", "total"}


async def test_output_belongs_to_the_call_it_was_written_in(executor: Executor) -> None:
    async def answer(call: FakeCall) -> FakeAnswer:
        text = f"in {call.body.decode()} é"
        data = text.encode()
        call.instance.write(text[: len(text) // 2])
        # the rest comes late, as from a pipe: after the answer is on its way
        asyncio.get_running_loop().call_later(0.01, call.instance.write, text[len(text) // 2 :], "stderr")
        return FakeAnswer(headers={"Nbfn-Output": base64.b64encode(data).decode()})

    async def start(instance: FakeInstance) -> None:
        instance.write("starting")

    async with executor(Script(answer=answer, start=start)) as running:
        fn_id = await running.deploy()
        ids = [(await running.invoke(fn_id, name)).headers["fn-call-id"] for name in (b"one", b"two")]
        logs = await running.items(f"/nbfn/v1/fns/{fn_id}/logs")
        assert [(line["call_id"], line["text"], line["stream"]) for line in logs] == [
            ("", "starting", "stdout"),
            (ids[0], "in o", "stdout"),
            (ids[0], "ne é", "stderr"),
            (ids[1], "in t", "stdout"),
            (ids[1], "wo é", "stderr"),
        ]
        assert set(logs[0]) == {"at", "stream", "text", "call_id", "instance_id"}
        of_two = await running.items(f"/nbfn/v1/fns/{fn_id}/logs", call_id=ids[1])
        assert "".join(line["text"] for line in of_two) == "in two é"
        assert [line["text"] for line in await running.items(f"/nbfn/v1/fns/{fn_id}/logs", limit="1")] == [
            "wo é"
        ]


async def test_calls_are_kept_newest_first_and_found_by_id(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        ids = [(await running.invoke(fn_id)).headers["fn-call-id"] for _ in range(3)]
        records = await running.items(f"/nbfn/v1/fns/{fn_id}/calls", per_page="2")
        assert [record["id"] for record in records] == [ids[2], ids[1]]
        one = (await running.client.get(f"/nbfn/v1/calls/{ids[0]}")).json()
        assert (one["fn_id"], one["start"], one["reason"], one["status"]) == (
            fn_id,
            "cold",
            "first-call",
            200,
        )
        assert set(one["timings_ms"]) == {"queue", "start", "import", "run", "total"}
        assert (await running.client.get("/nbfn/v1/calls/nosuch")).status_code == 404


async def test_instances_are_shown(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        assert await running.items(f"/nbfn/v1/fns/{fn_id}/instances") == []
        await running.invoke(fn_id)
        (shown,) = await running.items(f"/nbfn/v1/fns/{fn_id}/instances")
        assert (shown["state"], shown["calls"], shown["memory_bytes"]) == ("idle", 1, 1 << 20)
        assert (await running.client.get("/nbfn/v1/info")).json()["instances"] == 1


async def test_instances_are_stopped_without_removing_the_function(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy()
        await running.invoke(fn_id)
        assert (await running.client.delete(f"/nbfn/v1/fns/{fn_id}/instances")).status_code == 204
        response = await running.invoke(fn_id)
        assert (response.status_code, response.headers["nbfn-cold-reason"]) == (200, "stopped")
        assert (await running.client.delete("/nbfn/v1/fns/nobody/instances")).status_code == 404
