"""What the scheduler decides, in the cases that people have in mind."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from nbfn.scale import Scale
from nbfn.schedule.orders import Assign, Reject, Start, Stop
from nbfn.schedule.state import Bounds
from tests.schedule.making import BUDGET_MB, make, revision

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

QUEUE_WAIT_S = Bounds().wait_s
DISTURBANCES = ["deploy", "deploy", "remove", "wait", "wait long", "shutdown"]


def only(orders: Sequence[object], kind: type[T]) -> T:
    (order,) = orders
    assert isinstance(order, kind)
    return order


def test_a_first_call_starts_an_instance_and_the_second_one_finds_it_warm() -> None:
    made = make(revision("f"))
    assert only(made.arrive("c1", "f", 0), Start) == Start("i1", revision("f"), "first-call")
    assert made.ready("i1", 1) == [Assign("c1", "i1", "first-call")]
    assert made.completed("c1", 2) == []
    assert made.arrive("c2", "f", 3) == [Assign("c2", "i1", "")]


def test_a_call_beside_a_running_one_scales_out_and_takes_whatever_is_free_first() -> None:
    made = make(revision("f"))
    made.arrive("c1", "f", 0)
    made.ready("i1", 1)
    assert only(made.arrive("c2", "f", 2), Start).reason == "scale-out"
    assert made.completed("c1", 3) == [Assign("c2", "i1", "")]
    assert made.ready("i2", 4) == []
    assert made.arrive("c3", "f", 5) == [Assign("c3", "i2", "scale-out")]


def test_the_instance_that_was_idle_last_is_used_first() -> None:
    made = make(revision("f"))
    for number in (1, 2):
        made.arrive(f"c{number}", "f", 0)
    for number in (1, 2):
        made.ready(f"i{number}", 1)
    made.completed("c2", 2)
    made.completed("c1", 3)
    assert made.arrive("c3", "f", 4) == [Assign("c3", "i1", "")]


def test_an_idle_instance_expires_and_the_next_cold_start_says_so() -> None:
    made = make(revision("f", idle_timeout_s=10))
    made.arrive("c1", "f", 0)
    made.ready("i1", 0)
    made.completed("c1", 1)
    assert made.tick(10.9) == []
    assert made.tick(11) == [Stop("i1", "idle-expired")]
    assert only(made.arrive("c2", "f", 12), Start).reason == "idle-expired"


def test_a_new_revision_stops_idle_instances_at_once_and_busy_ones_after_their_call() -> None:
    made = make(revision("f"))
    for number in (1, 2):
        made.arrive(f"c{number}", "f", 0)
    for number in (1, 2):
        made.ready(f"i{number}", 1)
    made.completed("c1", 2)
    assert made.deploy(revision("f", version=2), 3) == [Stop("i1", "new-revision")]
    assert made.completed("c2", 4) == [Stop("i2", "new-revision")]
    start = only(made.arrive("c3", "f", 5), Start)
    assert (start.reason, start.revision.number) == ("new-revision", 2)


def test_stopping_a_function_lets_it_stay_and_running_calls_finish() -> None:
    made = make(revision("f"))
    assert made.stop("f", 0) == made.stop("nobody", 0) == []
    only(made.arrive("c1", "f", 0), Start)
    only(made.ready("i1", 1), Assign)
    only(made.arrive("c2", "f", 1), Start)
    only(made.ready("i2", 2), Assign)
    assert made.completed("c2", 3) == []
    assert made.stop("f", 3) == [Stop("i2", "stopped")]
    assert only(made.arrive("c3", "f", 4), Start).reason == "stopped"
    assert made.stop("f", 4) == [Stop("i3", "stopped"), Start("i4", revision("f"), "stopped")]
    assert made.completed("c1", 5) == [Stop("i1", "stopped")]


def test_deploying_the_same_again_changes_nothing() -> None:
    made = make(revision("f"))
    made.arrive("c1", "f", 0)
    made.ready("i1", 1)
    made.completed("c1", 2)
    assert made.deploy(revision("f"), 3) == []
    assert made.arrive("c2", "f", 4) == [Assign("c2", "i1", "")]


def test_a_function_changed_before_its_first_call_still_has_a_first_call() -> None:
    made = make(revision("f"))
    made.deploy(revision("f", version=2), 1)
    assert only(made.arrive("c1", "f", 2), Start).reason == "first-call"


def test_after_a_restart_the_reason_is_the_restart() -> None:
    made = make()
    made.deploy(revision("f"), 0, reason="executor-restarted")
    assert only(made.arrive("c1", "f", 1), Start).reason == "executor-restarted"


@pytest.mark.parametrize("why", ["timeout", "cancelled", "invalid-response", "crashed"])
def test_an_instance_that_had_to_be_stopped_makes_the_next_start_one_after_a_crash(why: str) -> None:
    made = make(revision("f"))
    made.arrive("c1", "f", 0)
    made.ready("i1", 1)
    assert made.completed("c1", 2, stop=why) == [Stop("i1", why)]
    assert only(made.arrive("c2", "f", 3), Start).reason == "crashed"


def test_a_start_that_fails_fails_the_call_it_was_for_and_the_next_call_gets_its_own() -> None:
    made = make(revision("f"))
    made.arrive("c1", "f", 0)
    made.arrive("c2", "f", 0)
    assert made.failed("i1", 502, "broken", 1) == [Reject("c1", 502, "broken")]
    assert made.failed("i2", 502, "broken", 1) == [Reject("c2", 502, "broken")]
    assert only(made.arrive("c3", "f", 1), Start).reason == "first-call"


def test_a_start_that_nobody_waits_for_any_more_fails_nobody() -> None:
    made = make(revision("f"))
    made.arrive("c1", "f", 0)
    made.ready("i1", 1)
    made.arrive("c2", "f", 2)
    made.completed("c1", 3)  # i1 takes c2
    assert made.failed("i2", 502, "broken", 1) == []


def test_idle_instances_of_others_are_evicted_oldest_first_and_only_as_many_as_it_takes() -> None:
    made = make(revision("a", memory_mb=300), revision("b", memory_mb=300), revision("c", memory_mb=300))
    for at, name in enumerate("abc"):
        made.arrive(name, name, at)
        made.ready(f"i{at + 1}", at)
        made.completed(name, at + 1)
    made.deploy(revision("d", memory_mb=400), 9)
    assert made.arrive("d1", "d", 10) == [Stop("i1", "evicted")]
    assert made.gone("i1", 20) == [Start("i4", revision("d", memory_mb=400), "first-call")]
    assert only(made.arrive("a2", "a", 11), Stop).instance_id == "i2"
    assert only(made.gone("i2", 20), Start).reason == "evicted"


def test_a_large_function_is_not_overtaken_for_ever_by_small_ones() -> None:
    made = make(revision("small", memory_mb=100), revision("large", memory_mb=900))
    for number in range(1, 4):
        made.arrive(f"s{number}", "small", 0)
    for number in range(1, 4):
        made.ready(f"i{number}", 0)
    assert made.arrive("l1", "large", 1) == []
    assert made.arrive("s4", "small", 2) == []  # there is room for it, but then never for the other
    assert made.completed("s1", 3) == [Assign("s4", "i1", "")]
    assert made.completed("s2", 4) == []  # two idle ones free 200 MB at most: not yet enough
    assert made.completed("s3", 5) == [Stop("i2", "evicted"), Stop("i3", "evicted")]
    assert made.gone("i2", 20) == []
    assert made.gone("i3", 20) == [Start("i4", revision("large", memory_mb=900), "first-call")]


def test_what_can_never_fit_is_refused_at_once() -> None:
    made = make(revision("f", memory_mb=BUDGET_MB + 1))
    order = only(made.arrive("c1", "f", 0), Reject)
    assert (order.status, "Requested CPU/Memory cannot be allocated" in order.message) == (400, True)


def test_waiting_for_memory_ends_after_a_minute() -> None:
    made = make(revision("a", memory_mb=900), revision("b", memory_mb=900))
    made.arrive("a1", "a", 0)
    made.ready("i1", 0)
    made.arrive("b1", "b", 1)
    assert made.tick(QUEUE_WAIT_S) == []
    order = only(made.tick(QUEUE_WAIT_S + 1), Reject)
    assert (order.call_id, order.status, order.retry_after_s) == ("b1", 503, 15)


def test_waiting_for_a_start_has_no_such_limit() -> None:
    made = make(revision("f"))
    made.arrive("c1", "f", 0)
    assert made.tick(QUEUE_WAIT_S * 10) == []


def test_a_full_queue_of_one_function_refuses_its_calls_and_no_others() -> None:
    made = make(revision("a", memory_mb=900), revision("b"), bounds=Bounds(calls_of_one=3))
    for number in range(3):
        made.arrive(f"c{number}", "a", 0)
    order = only(made.arrive("more", "a", 0), Reject)
    assert (order.status, order.retry_after_s) == (429, 15)
    assert made.arrive("b1", "b", 0) == []


def test_all_queues_together_are_bounded_too() -> None:
    made = make(revision("a", memory_mb=900), revision("b"), bounds=Bounds(calls=3))
    for number in range(3):
        made.arrive(f"c{number}", "a", 0)
    order = only(made.arrive("b1", "b", 0), Reject)
    assert (order.status, order.retry_after_s) == (503, 15)
    made.cancelled("c2", 1)
    assert made.arrive("b2", "b", 1) == []


def test_a_call_whose_instance_could_not_be_reached_goes_first_to_another() -> None:
    made = make(revision("f"))
    made.arrive("c1", "f", 0)
    made.ready("i1", 0)
    orders = made.returned("c1", 1)
    assert [type(order) for order in orders] == [Stop, Start]
    assert made.ready("i2", 2) == [Assign("c1", "i2", "crashed")]


def test_removing_a_function_refuses_its_waiting_calls_and_lets_the_running_finish() -> None:
    made = make(revision("f"))
    made.arrive("c1", "f", 0)
    made.ready("i1", 0)
    made.arrive("c2", "f", 0)
    orders = made.remove("f")
    assert Reject("c2", 404, "Fn not found") in orders
    assert Stop("i2", "deleted") in orders
    assert made.completed("c1", 1) == [Stop("i1", "deleted")]
    assert made.arrive("c3", "f", 2) == [Reject("c3", 404, "Fn not found")]


def test_shutdown_refuses_what_waits_and_what_comes_and_lets_the_running_finish() -> None:
    made = make(revision("f"))
    made.arrive("c1", "f", 0)
    made.ready("i1", 0)
    made.arrive("c2", "f", 0)
    assert {type(order) for order in made.shutdown()} == {Reject, Stop}
    assert only(made.arrive("c3", "f", 1), Reject).status == 503
    assert made.completed("c1", 1) == [Stop("i1", "shutdown")]


# Minimum and maximum


def test_a_maximum_makes_calls_wait_for_an_instance_that_is_there() -> None:
    made = make()
    made.deploy(revision("f"), 0, scale=Scale(max_instances=1))
    made.arrive("c1", "f", 0)
    assert made.arrive("c2", "f", 0) == []
    assert made.ready("i1", 1) == [Assign("c1", "i1", "first-call")]
    assert made.completed("c1", 2) == [Assign("c2", "i1", "")]


def test_a_maximum_counts_instances_that_are_not_yet_gone() -> None:
    made = make()
    made.deploy(revision("f"), 0, scale=Scale(max_instances=1))
    made.arrive("c1", "f", 0)
    made.ready("i1", 1)
    made.deploy(revision("f", version=2), 2, scale=Scale(max_instances=1))
    assert made.arrive("c2", "f", 3) == []
    assert made.completed("c1", 4) == [Stop("i1", "new-revision")]
    assert only(made.gone("i1", 5), Start).reason == "new-revision"


def test_who_waits_in_vain_for_a_place_under_the_maximum_is_told_so() -> None:
    made = make()
    made.deploy(revision("f"), 0, scale=Scale(max_instances=1))
    made.arrive("c1", "f", 0)
    made.ready("i1", 0)
    made.arrive("c2", "f", 1)
    order = only(made.tick(QUEUE_WAIT_S + 1), Reject)
    assert (order.status, "one of the 1 instances" in order.message) == (503, True)


def test_a_function_at_its_maximum_keeps_no_memory_from_others() -> None:
    made = make(revision("b"))
    made.deploy(revision("a"), 0, scale=Scale(max_instances=1))
    made.arrive("a1", "a", 0)
    made.ready("i1", 0)
    made.arrive("a2", "a", 1)
    assert only(made.arrive("b1", "b", 2), Start).revision.fn_id == "b"


def test_a_lowered_maximum_stops_idle_instances_at_once_and_busy_ones_after_their_call() -> None:
    made = make(revision("f"))
    for number in (1, 2, 3):
        made.arrive(f"c{number}", "f", 0)
    for number in (1, 2, 3):
        made.ready(f"i{number}", 1)
    made.completed("c1", 2)
    assert made.deploy(revision("f"), 3, scale=Scale(max_instances=1)) == [Stop("i1", "scaled-in")]
    assert made.completed("c2", 4) == [Stop("i2", "scaled-in")]
    assert made.completed("c3", 5) == []


def test_a_minimum_is_started_without_a_call_and_makes_the_first_one_warm() -> None:
    made = make()
    orders = made.deploy(revision("f"), 0, scale=Scale(min_instances=2))
    assert orders == [Start("i1", revision("f"), "minimum"), Start("i2", revision("f"), "minimum")]
    made.ready("i1", 1)
    assert made.arrive("c1", "f", 2) == [Assign("c1", "i1", "")]


def test_a_call_that_waits_for_an_instance_of_the_minimum_has_a_cold_start_with_its_own_reason() -> None:
    made = make()
    made.deploy(revision("f"), 0, scale=Scale(min_instances=1))
    assert made.arrive("c1", "f", 0.1) == []
    assert made.ready("i1", 1) == [Assign("c1", "i1", "first-call")]


def test_idle_instances_expire_down_to_the_minimum() -> None:
    made = make()
    made.deploy(revision("f", idle_timeout_s=10), 0, scale=Scale(min_instances=1))
    made.arrive("c1", "f", 0)
    made.arrive("c2", "f", 0)
    for number in (1, 2):
        made.ready(f"i{number}", 1)
    made.completed("c1", 2)
    made.completed("c2", 3)
    assert made.tick(100) == [Stop("i1", "idle-expired")]
    assert made.tick(1000) == []
    assert made.arrive("c3", "f", 1001) == [Assign("c3", "i2", "")]


def test_calls_take_memory_before_minimums_which_come_back_when_there_is_room() -> None:
    kept = revision("kept", memory_mb=600)
    made = make(revision("other", memory_mb=600))
    made.deploy(kept, 0, scale=Scale(min_instances=1))
    made.ready("i1", 1)
    assert made.arrive("o1", "other", 2) == [Stop("i1", "evicted")]
    assert only(made.gone("i1", 3), Start).revision.fn_id == "other"
    made.ready("i2", 4)
    made.completed("o1", 5)
    assert made.tick(6) == []  # an idle instance is not evicted for a minimum
    assert made.tick(40) == [Stop("i2", "idle-expired")]
    assert made.gone("i2", 41) == []
    assert made.tick(42) == [Start("i3", kept, "minimum")]


def test_idle_instances_of_a_minimum_are_the_last_to_be_evicted() -> None:
    made = make(revision("plain", memory_mb=300), revision("large", memory_mb=700))
    made.deploy(revision("kept", memory_mb=300), 0, scale=Scale(min_instances=1))
    made.ready("i1", 0)
    made.arrive("p1", "plain", 1)
    made.ready("i2", 1)
    made.completed("p1", 9)
    assert made.arrive("l1", "large", 10) == [Stop("i2", "evicted")]  # though it was used last


def test_a_minimum_that_cannot_start_is_tried_again_later_and_later() -> None:
    made = make()
    made.deploy(revision("f"), 0, scale=Scale(min_instances=1))
    assert made.failed("i1", 502, "broken", 1) == []
    assert made.tick(1.5) == []
    assert [type(order) for order in made.tick(2)] == [Start]
    made.failed("i2", 502, "broken", 2)
    assert made.tick(3.5) == []
    assert [type(order) for order in made.tick(4)] == [Start]


def test_a_changed_scale_replaces_no_instance() -> None:
    made = make(revision("f"))
    made.arrive("c1", "f", 0)
    made.ready("i1", 0)
    made.completed("c1", 1)
    assert made.deploy(revision("f"), 2, scale=Scale(1, 5)) == []
    assert not made.quiet
    assert made.arrive("c2", "f", 3) == [Assign("c2", "i1", "")]


def test_only_a_scheduler_without_minimums_is_ever_quiet() -> None:
    made = make()
    made.deploy(revision("f"), 0, scale=Scale(min_instances=1))
    made.failed("i1", 502, "broken", 0)
    assert not made.quiet
    made.deploy(revision("f"), 0)
    assert made.quiet
