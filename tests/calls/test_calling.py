"""Every way to call a function, over real instances."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

import nbfn
from nbfn.calls import found
from nbfn.errors import (
    ArgumentsError,
    BadInput,
    CallCancelled,
    InstanceFailed,
    NotFound,
    PayloadError,
    RemoteError,
)
from nbfn.session import Session
from tests.until import until

if TYPE_CHECKING:
    from nbfn.calls import Call
    from tests.calls.conftest import Lab


def begun(lab: Lab, call: Call[Any]) -> None:
    """Returns once the function itself runs."""
    until(lambda: "begun" in call.logs().text)


def gone(lab: Lab, name: str) -> None:
    """Returns once the function has no instance any more."""
    until(lambda: not [each for each in lab[name].instances() if each.state != "stopping"])


def test_a_spawned_call_has_a_result_a_cost_and_logs(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    call = lab["add"].spawn(1, b=2)
    assert call.result(60) == 3
    assert (call.status, call.done, call.exception()) == ("done", True, None)
    assert call.details is not None
    assert call.details.call_id == call.id
    assert call.logs().text == "adding 1\n"
    assert repr(call).startswith(f"<nbfn call {call.id} of add, done: ")
    assert capsys.readouterr().out == ""
    with pytest.raises(ArgumentsError):
        lab["add"].spawn()


def test_what_a_spawned_call_raises_is_raised_when_asked_for(lab: Lab) -> None:
    call = lab["fail"].spawn(3)
    with pytest.raises(LookupError, match="no 3") as caught:
        call.result(60)
    assert call.status == "failed"
    assert call.exception() is caught.value


def test_a_call_that_is_not_over_can_be_cancelled(lab: Lab) -> None:
    call = lab["wait"].spawn()
    with pytest.raises(TimeoutError, match=r"not over after 0\.01 s; it goes on"):
        call.result(0.01)
    begun(lab, call)
    assert (call.status, call.done, call.details) == ("running", False, None)
    assert call.cancel()
    with pytest.raises(CallCancelled):
        call.result(60)
    assert call.status == "cancelled"
    assert not call.cancel()
    gone(lab, "wait")


def test_a_call_is_found_by_its_id_from_another_kernel(lab: Lab) -> None:
    with Session(lab.session.settings) as another:
        running = lab["wait"].spawn()
        begun(lab, running)
        seen = found(running.id, another)
        assert (seen.id, seen.function, seen.status) == (running.id, "wait", "running")
        with pytest.raises(TimeoutError):
            seen.result(0.01)
        assert seen.logs().text == "begun\n"
        assert seen.cancel()
        with pytest.raises(CallCancelled):
            running.result(60)
        until(lambda: seen.status == "cancelled")
        assert not seen.cancel()
    call = lab["add"].spawn(1)
    call.result(60)
    seen = nbfn.call(call.id)
    assert (seen.status, seen.details.call_id) == ("done", call.id)
    with pytest.raises(PayloadError, match="was answered to the kernel that made it"):
        seen.result()
    failed = lab["fail"].spawn(3)
    assert isinstance(failed.exception(60), LookupError)
    with pytest.raises(RemoteError, match="LookupError: no 3"):
        nbfn.call(failed.id).result()
    with pytest.raises(NotFound):
        nbfn.call("01M" + "0" * 23)


def test_async_functions_and_await(lab: Lab) -> None:
    async def main() -> None:
        assert await lab["later"](1) == 2
        assert await lab["add"].aio(1) == 2
        assert sorted(await asyncio.gather(*(lab["add"].aio(number) for number in range(5)))) == [
            1,
            2,
            3,
            4,
            5,
        ]
        with pytest.raises(LookupError, match="no 3"):
            await lab["fail"].aio(3)
        call = lab["add"].spawn(4)
        assert await call == 5
        assert [value async for value in lab["acount"](3)] == [0, 1, 2]
        assert [value async for value in lab["count"].stream(2)] == [0, 1]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await lab["wait"].aio()

    asyncio.run(main())
    gone(lab, "wait")
    assert lab["later"].remote(1) == 2
    assert lab["later"].spawn(1).result(60) == 2
    with pytest.raises(ArgumentsError):
        lab["later"]()


def test_a_function_that_yields_is_iterated(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    count = lab["count"]
    stream = count(3)
    assert stream.result is None
    assert list(stream) == [0, 1, 2]
    assert list(stream) == []
    assert capsys.readouterr().out == "counting\n"
    assert count.last is stream.result
    assert count.last.output == "counting\n"
    assert list(count.local(2)) == [0, 1]
    failing = count.stream(2, fail=True)
    assert [next(failing), next(failing)] == [0, 1]
    with pytest.raises(LookupError, match="no more"):
        next(failing)
    with count.stream(2) as begun_only:
        assert next(begun_only) == 0
    assert list(begun_only) == []
    assert list(lab["acount"].stream(2)) == [0, 1]
    with pytest.raises(ArgumentsError):
        count()


def test_a_stream_is_closed_while_another_thread_waits_for_it(lab: Lab) -> None:
    stream = lab["hold"].stream()
    outcome: list[BaseException] = []

    def wait() -> None:
        try:
            list(stream)
        except CallCancelled as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    until(lambda: "begun" in lab["hold"].logs().text)
    stream.close()
    thread.join(60)
    assert len(outcome) == 1
    gone(lab, "hold")


@pytest.mark.parametrize("how", ["spawn", "aio", "map"])
def test_a_function_that_yields_has_no_one_result(lab: Lab, how: str) -> None:
    with pytest.raises(BadInput, match=r"iterate over count\.stream"):
        getattr(lab["count"], how)([3])


def test_map_gives_results_in_order(lab: Lab) -> None:
    shown: list[tuple[int, int | None]] = []
    mapped = lab["add"].map(range(20), concurrency=2, progress=lambda *told: shown.append(told))
    assert list(mapped) == list(range(1, 21))
    assert list(mapped) == list(range(1, 21))  # once more
    assert (mapped.done, mapped.total, mapped.errors) == (20, 20, {})
    assert sorted(shown) == [(done, 20) for done in range(1, 21)]
    assert sorted(lab["add"].map(iter(range(5)), ordered=False)) == [1, 2, 3, 4, 5]
    assert list(lab["add"].map([1, 2], [10, 20, 30])) == [11, 22]
    assert list(lab["add"].starmap([(1, 2), [3]])) == [3, 4]
    assert list(lab["later"].map([1])) == [2]
    assert list(lab["add"].map([])) == []


def test_a_map_with_failures(lab: Lab) -> None:
    mapped = lab["fail"].map(range(5), concurrency=1)
    with pytest.raises(LookupError, match="no 3"):
        list(mapped)
    assert dict(mapped.results) == {0: 0, 1: 1, 2: 2}
    assert list(mapped.errors) == [3]
    every = list(lab["fail"].map(range(5), return_exceptions=True))
    assert [each for each in every if not isinstance(each, LookupError)] == [0, 1, 2, 4]
    (odd,) = lab["add"].map(["a"], return_exceptions=True)
    assert isinstance(odd, TypeError)
    (unfit,) = lab["add"].starmap([()], return_exceptions=True)
    assert isinstance(unfit, ArgumentsError)
    with pytest.raises(BadInput, match="concurrency is 0"):
        lab["add"].map([1], concurrency=0)


def test_inputs_that_raise(lab: Lab) -> None:
    def inputs() -> Any:
        yield 1
        raise ZeroDivisionError

    mapped = lab["add"].map(inputs(), concurrency=1)
    results = iter(mapped)
    assert next(results) == 2
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_a_map_that_is_cancelled_keeps_what_was_done(lab: Lab) -> None:
    first = threading.Event()
    mapped = lab["wait"].map(range(3), concurrency=1, progress=lambda *_: first.set())
    until(lambda: "begun" in lab["wait"].logs().text)
    mapped.cancel()
    with pytest.raises(CallCancelled, match="the map was cancelled"):
        list(mapped)
    assert (dict(mapped.results), dict(mapped.errors), first.is_set()) == ({}, {}, False)
    gone(lab, "wait")
    with pytest.raises(CallCancelled):  # also once its threads have ended
        list(mapped)
    whole = lab["add"].map([1, 2])
    assert list(whole) == [2, 3]
    whole.cancel()
    assert list(whole) == [2, 3]


def test_retries_only_where_asked_and_safe(lab: Lab) -> None:
    for options, tries in (({}, 1), ({"retries": 2}, 1), ({"retries": 2, "idempotent": True}, 3)):
        die = lab.made("die", name=f"die-{tries}-{len(options)}", **options)
        with pytest.raises(InstanceFailed):
            die()
        assert die.logs().text.count("dying") == tries
    with pytest.raises(BadInput, match="retries is -1"):
        lab.made("die", retries=-1)
