"""What a dashboard shows, folded in batches from well-made and from broken streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from nbfn.observe import activity as activities
from nbfn.observe.activity import Activity, Known, Scope, Step, fold, known, measured
from nbfn.observe.histogram import BUCKETS, Histogram, bucket, lower_ms
from nbfn.observe.timeline import RESTARTED
from nbfn.spec import Event, RunningInstance
from tests.observe.test_timeline import events

if TYPE_CHECKING:
    from collections.abc import Iterable

scopes = st.sampled_from([Scope(), Scope("f"), Scope(app="shop")])


def told(*story: tuple[str, str, str, dict[str, Any]], first: int = 1) -> list[Event]:
    """Events of kind, instance, call and data, a tenth of a second apart."""
    return [
        Event(seq, 100 + seq / 10, kind, "f", instance, call, data)
        for seq, (kind, instance, call, data) in enumerate(story, first)
    ]


def cold_call(call: str, instance: str, reason: str = "first-call") -> Iterable[tuple[str, str, str, Any]]:
    start = {"start": "cold", "reason": reason}
    end = start | {"status": 200, "message": ""}
    took = {"queue": 0.2, "start": 5.0, "import": 1.0, "run": 3.0, "total": 9.0}
    return (
        ("call.queued", "", call, {}),
        ("instance.starting", instance, "", {"reason": reason}),
        ("instance.ready", instance, "", {"start_ms": 5.0}),
        ("instance.busy", instance, call, {}),
        ("call.started", instance, call, start | {"queue_ms": 0.2, "start_ms": 5.0}),
        ("log", instance, call, {"stream": "stdout", "text": "hello\n"}),
        ("call.finished", instance, call, end | {"timings_ms": took}),
        ("instance.idle", instance, "", {}),
    )  # fmt: skip


def test_a_cold_call_is_counted_drawn_and_measured() -> None:
    activity = fold(Activity(Scope("f")), told(*cold_call("c1", "i1")))
    assert dict(activity.started) == {"cold": 1}
    assert dict(activity.reasons) == {"first-call": 1}
    assert activity.cold.total == 1
    assert [each.calls for each in activity.live] == [1]
    assert [line.text for line in activity.logs] == ["hello\n"]
    assert activity.at_rest
    assert [(step.instances, step.running, step.waiting) for step in activity.steps] == [
        (0, 0, 1), (1, 0, 1), (1, 1, 0), (1, 0, 0),
    ]  # fmt: skip


@given(scopes, st.lists(events, max_size=60), st.integers(0, 60))
def test_any_stream_gives_the_same_however_it_is_cut(scope: Scope, stream: list[Event], cut: int) -> None:
    whole = fold(Activity(scope), stream)
    parts = fold(fold(Activity(scope), stream[:cut]), stream[cut:])
    assert parts == whole
    assert fold(whole, [each for each in stream if each.kind != RESTARTED and each.seq <= whole.seq]) == whole


@given(st.lists(events, max_size=120))
def test_counts_agree_with_what_is_there(stream: list[Event]) -> None:
    activity = fold(Activity(Scope("f")), stream)
    if activity.steps:
        last = activity.steps[-1]
        assert last.instances == len(activity.live)
        assert last.running + last.waiting == len(activity.open)
    assert sum(activity.reasons.values()) <= activity.started.get("cold", 0)
    assert activity.cold.total + activity.warm.total <= sum(activity.started.values())


def test_a_restarted_executor_has_none_of_it() -> None:
    running = fold(Activity(Scope("f")), told(*cold_call("c1", "i1"))[:5])
    assert len(running.open) == 1
    after = fold(running, [Event(0, 200.0, RESTARTED, "f")])
    assert (after.live, after.open, after.failed, after.seq) == ((), (), 1, 0)
    assert fold(after, told(*cold_call("c2", "i2"))).started["cold"] == 1


def test_it_stays_small_however_long_it_follows() -> None:
    activity = Activity(Scope("f"))
    for n in range(300):
        story = told(*(row for k in range(5) for row in cold_call(f"c{n}.{k}", f"i{n}")), first=40 * n + 1)
        gone = Event(40 * n + 40, 200.0 + n, "instance.stopped", "f", f"i{n}")
        activity = fold(activity, [*story[:-1], gone])
    assert len(activity.calls) <= activities.ENDED_KEPT + activities.OPEN_KEPT
    assert len(activity.instances) <= activities.GONE_KEPT
    assert len(activity.steps) <= activities.STEPS_KEPT
    assert len(activity.logs) <= activities.LOG_PIECES_KEPT
    assert activity.started["cold"] == 1500
    assert max(step.waiting for step in activity.steps) == 1


@given(st.lists(st.builds(Step, st.floats(0, 9), *[st.integers(0, 9)] * 3), max_size=3000))
def test_a_thinned_curve_keeps_its_peaks_and_its_end(steps: list[Step]) -> None:
    thin = activities._thinned(steps)
    assert len(thin) <= activities.STEPS_KEPT
    assert max((s.waiting for s in thin), default=0) == max((s.waiting for s in steps), default=0)
    assert not steps or thin[-1] == steps[-1]


def test_an_application_is_its_functions_alone() -> None:
    created = [
        Event(1, 1.0, "function.created", "f", data={"name": "sum", "app": "shop", "image": "a"}),
        Event(2, 2.0, "function.created", "g", data={"name": "sum", "app": "other", "image": "b"}),
        Event(3, 3.0, "call.queued", "f", call_id="c1"),
        Event(4, 3.0, "call.queued", "g", call_id="c2"),
        Event(5, 4.0, "function.deleted", "f", data={"name": "sum", "app": "shop"}),
    ]
    shop = fold(Activity(Scope(app="shop")), created)
    assert [(each.name, each.deleted) for each in shop.functions.values()] == [("sum", True)]
    assert [call.id for call in shop.calls] == ["c1"]
    assert len(fold(Activity(), created).calls) == 2


def test_what_a_server_says_is_put_in() -> None:
    activity = fold(Activity(Scope("f")), told(*cold_call("c1", "i1")))
    listed = known(activity, [Known("f", "sum", "shop", memory_mb=128)])
    assert listed.functions["f"].memory_mb == 128
    assert known(listed, [Known("f", "sum", "shop", memory_mb=128)]) is listed
    assert known(listed, []).functions["f"].deleted
    more = [RunningInstance("i1", "idle", 1.0, 1, 4096), RunningInstance("i9", "idle", 1.0, 3, 8192)]
    seen = measured(listed, "f", more)
    assert [(each.id, each.memory_bytes) for each in seen.live] == [("i1", 4096), ("i9", 8192)]
    assert measured(seen, "f", more) is seen


@given(st.lists(st.floats(0.001, 1e7), min_size=1))
def test_quantiles_are_near(durations: list[float]) -> None:
    histogram = Histogram().plus(durations)
    assert histogram.total == len(durations)
    middle = sorted(durations)[(len(durations) - 1) // 2]
    found = histogram.quantile_ms(0.5)
    assert found is not None
    assert bucket(found) == bucket(middle)


def test_buckets_follow_one_another() -> None:
    assert [bucket(lower_ms(index)) for index in range(BUCKETS)] == list(range(BUCKETS))
    assert Histogram().quantile_ms(0.5) is None
