"""The picture of a function, folded from well-made and from broken streams."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nbfn.observe.timeline import CALLS_KEPT, LOG_PIECES_KEPT, RESTARTED, FunctionPicture, fold
from nbfn.spec import Event

KINDS = [
    "function.created",
    "function.updated",
    "function.deleted",
    *(f"instance.{state}" for state in ("starting", "ready", "busy", "idle", "stopping", "stopped")),
    *(f"call.{state}" for state in ("queued", "started", "finished")),
    "log",
    "something.new",
    RESTARTED,
]
values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just("cold")
events = st.builds(
    Event,
    seq=st.integers(0, 40),
    at=st.floats(0, 2e9),
    kind=st.sampled_from(KINDS),
    fn_id=st.sampled_from(["f", "f", "f", "g", ""]),
    instance_id=st.sampled_from(["", "i1", "i2", "i3"]),
    call_id=st.sampled_from(["", "c1", "c2", "c3"]),
    data=st.dictionaries(
        st.sampled_from(["start", "reason", "status", "message", "start_ms", "why", "stream", "text"]),
        values,
    )
    | st.fixed_dictionaries(
        {
            "start": st.sampled_from(["cold", "warm"]),
            "status": st.sampled_from([200, 502]),
            "timings_ms": values,
        }
    ),
)


def story(*told: tuple[str, dict[str, Any]], instance_id: str = "i1", call_id: str = "c1") -> FunctionPicture:
    picture = FunctionPicture("f")
    for seq, (kind, data) in enumerate(told, 1):
        picture = fold(picture, Event(seq, 100.0 + seq, kind, "f", instance_id, call_id, data))
    return picture


def test_a_cold_call_from_queue_to_answer() -> None:
    picture = story(
        ("call.queued", {}),
        ("instance.starting", {"reason": "first-call"}),
        ("instance.ready", {"start_ms": 2.5}),
        ("instance.busy", {}),
        ("call.started", {"start": "cold", "reason": "first-call", "queue_ms": 0.1, "start_ms": 2.5}),
        ("log", {"stream": "stdout", "text": "hello\n"}),
        (
            "call.finished",
            {
                "status": 200,
                "start": "cold",
                "reason": "first-call",
                "timings_ms": {"start": 2.5, "run": 1.0},
            },
        ),
        ("instance.idle", {}),
    )
    (instance,) = picture.live
    assert (instance.state, instance.reason, instance.start_ms, instance.calls) == (
        "idle",
        "first-call",
        2.5,
        1,
    )
    (call,) = picture.calls
    assert (call.start, call.reason, call.status, call.ok) == ("cold", "first-call", 200, True)
    assert call.timings_ms == {"start": 2.5, "run": 1.0}
    assert (picture.cold, picture.warm, picture.failed) == (1, 0, 0)
    assert picture.logs[0].text == "hello\n"


def test_an_instance_that_died_says_why() -> None:
    picture = story(
        ("instance.starting", {"reason": "first-call"}),
        ("instance.stopped", {"cause": "killed by SIGKILL", "out_of_memory": True}),
    )
    assert picture.live == ()
    assert (picture.instances[0].why, picture.instances[0].out_of_memory) == ("killed by SIGKILL", True)


def test_a_call_that_raised_counts_as_failed_though_its_status_is_200() -> None:
    picture = story(("call.finished", {"status": 200, "message": "ValueError: no", "start": "warm"}))
    assert (picture.warm, picture.failed) == (1, 1)


def test_another_executor_has_none_of_the_instances_and_counts_anew() -> None:
    picture = story(("instance.starting", {}), ("call.queued", {}))
    picture = fold(picture, Event(0, 200.0, RESTARTED, "f"))
    assert picture.live == ()
    assert [call.status for call in picture.calls] == [503]
    picture = fold(picture, Event(1, 201.0, "instance.starting", "f", "i2", "", {}))
    assert [each.id for each in picture.live] == ["i2"]


def test_only_the_last_calls_and_output_are_kept() -> None:
    picture = FunctionPicture("f")
    for seq in range(1, 1000):
        picture = fold(picture, Event(seq, 1.0, "call.finished", "f", "i", f"c{seq}", {"status": 200}))
    for seq in range(1000, 2000):
        picture = fold(picture, Event(seq, 1.0, "log", "f", "i", "", {"stream": "stdout", "text": "x"}))
    assert len(picture.calls) == CALLS_KEPT
    assert picture.calls[-1].id == "c999"
    assert len(picture.logs) == LOG_PIECES_KEPT


@given(st.lists(events, max_size=30))
def test_no_stream_breaks_it_and_the_counts_agree(stream: list[Event]) -> None:
    picture, finished = FunctionPicture("f"), 0
    for event in stream:
        before = picture
        picture = fold(picture, event)
        ended = sum(call.status is not None for call in picture.calls)
        finished += ended - sum(call.status is not None for call in before.calls)
        assert len({each.id for each in picture.instances}) == len(picture.instances)
        assert len({each.id for each in picture.calls}) == len(picture.calls)
    assert picture.cold + picture.warm <= finished
    assert picture.failed == sum(call.ok is False for call in picture.calls)
    assert sum(each.calls for each in picture.instances) <= finished


@given(st.lists(events.filter(lambda event: event.kind != RESTARTED), max_size=30))
def test_a_stream_heard_twice_tells_nothing_new(stream: list[Event]) -> None:
    stream = sorted(stream, key=lambda event: event.seq)
    picture = FunctionPicture("f")
    for event in stream:
        picture = fold(picture, event)
    again = picture
    for event in stream:
        again = fold(again, event)
    assert again == picture
