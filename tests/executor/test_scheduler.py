"""The scheduler's promises, against whatever order of events hypothesis can think of."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nbfn.executor.orders import Assign, Order, Reject, Start, Stop
from nbfn.executor.revision import Revision
from nbfn.executor.scheduler import QUEUE_CALLS, QUEUE_WAIT_S, Scheduler
from nbfn.spec import ImageRef, Limits

if TYPE_CHECKING:
    from nbfn.executor.orders import StopWhy

BUDGET_MB = 1000
DISTURBANCES = ["deploy", "deploy", "remove", "wait", "wait long", "shutdown"]


def revision(fn_id: str, *, memory_mb: int = 100, idle_timeout_s: int = 30, version: int = 1) -> Revision:
    limits = Limits(memory_mb, 30, idle_timeout_s)
    return Revision(fn_id, fn_id, "app", ImageRef("image", tag=str(version)), limits)


def make(*revisions: Revision, memory_mb: int = BUDGET_MB) -> Scheduler:
    numbers = itertools.count(1)
    made = Scheduler(memory_mb, lambda: f"i{next(numbers)}")
    for each in revisions:
        made.deploy(each, 0.0)
    return made


def only(orders: list[Order], kind: type[Order]) -> Order:
    (order,) = orders
    assert isinstance(order, kind)
    return order


# The cases that people have in mind


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
    assert (start.reason, start.revision.image.tag) == ("new-revision", "2")


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
    assert made.failed("i1", 502, "broken") == [Reject("c1", 502, "broken")]
    assert made.failed("i2", 502, "broken") == [Reject("c2", 502, "broken")]
    assert only(made.arrive("c3", "f", 1), Start).reason == "first-call"


def test_a_start_that_nobody_waits_for_any_more_fails_nobody() -> None:
    made = make(revision("f"))
    made.arrive("c1", "f", 0)
    made.ready("i1", 1)
    made.arrive("c2", "f", 2)
    made.completed("c1", 3)  # i1 takes c2
    assert made.failed("i2", 502, "broken") == []


def test_idle_instances_of_others_are_evicted_oldest_first_and_only_as_many_as_it_takes() -> None:
    made = make(revision("a", memory_mb=300), revision("b", memory_mb=300), revision("c", memory_mb=300))
    for at, name in enumerate("abc"):
        made.arrive(name, name, at)
        made.ready(f"i{at + 1}", at)
        made.completed(name, at + 1)
    made.deploy(revision("d", memory_mb=400), 9)
    assert made.arrive("d1", "d", 10) == [Stop("i1", "evicted")]
    assert made.gone("i1") == [Start("i4", revision("d", memory_mb=400), "first-call")]
    assert only(made.arrive("a2", "a", 11), Stop).instance_id == "i2"
    assert only(made.gone("i2"), Start).reason == "evicted"


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
    assert made.gone("i2") == []
    assert made.gone("i3") == [Start("i4", revision("large", memory_mb=900), "first-call")]


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


def test_a_full_queue_refuses() -> None:
    made = make(revision("a", memory_mb=900))
    for number in range(QUEUE_CALLS):
        made.arrive(f"c{number}", "a", 0)
    assert only(made.arrive("more", "a", 0), Reject).status == 429


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


# And those that nobody has in mind


class AnyOrder(RuleBasedStateMachine):
    """Does what the scheduler orders, late and in any order, and holds it to its promises."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.made = make()
        self.numbers = itertools.count(1)
        self.deployed: dict[str, Revision] = {}
        self.function_of: dict[str, str] = {}
        self.waiting: dict[str, float] = {}
        self.running: dict[str, str] = {}  # call to instance
        self.outcomes: Counter[str] = Counter()
        self.starting: dict[str, Revision] = {}
        self.idle: dict[str, Revision] = {}
        self.busy: dict[str, Revision] = {}
        self.stopping: dict[str, Revision] = {}
        self.closed = False

    def obey(self, orders: list[Order]) -> None:
        for order in orders:
            if isinstance(order, Start):
                wanted = order.revision.fn_id
                waiting = sum(self.function_of[call] == wanted for call in self.waiting)
                here = sum(each == order.revision for each in self.starting.values())
                assert here < waiting, "started more than calls wait"
                assert order.revision == self.deployed[wanted], "started an old revision"
                assert order.instance_id not in {**self.starting, **self.idle, **self.busy, **self.stopping}
                self.starting[order.instance_id] = order.revision
            elif isinstance(order, Assign):
                del self.waiting[order.call_id]
                assert order.instance_id in self.idle, "assigned to an instance that is not idle"
                self.busy[order.instance_id] = self.idle.pop(order.instance_id)
                self.running[order.call_id] = order.instance_id
                assert self.busy[order.instance_id].fn_id == self.function_of[order.call_id]
            elif isinstance(order, Stop):
                sources = [s for s in (self.starting, self.idle) if order.instance_id in s]
                assert len(sources) == 1, "stopped twice, or while a call runs"
                self.stopping[order.instance_id] = sources[0].pop(order.instance_id)
            else:
                del self.waiting[order.call_id]
                self.outcomes[order.call_id] += 1

    # What disturbs is one rule of several kinds: else little else would happen.

    @initialize(memory_mb=st.sampled_from([100, 300, 700]))
    def begin(self, memory_mb: int) -> None:
        for fn_id in "abc":
            self.deploy(revision(fn_id, memory_mb=memory_mb if fn_id == "a" else 200))

    @rule(data=st.data(), kind=st.sampled_from(DISTURBANCES))
    def disturb(self, data: st.DataObject, kind: str) -> None:
        fn_id = data.draw(st.sampled_from("abc"))
        if kind == "deploy":
            memory_mb = data.draw(st.sampled_from([100, 300, 700, BUDGET_MB + 1]))
            idle_timeout_s, version = data.draw(st.sampled_from([1, 100])), data.draw(st.integers(1, 2))
            self.deploy(revision(fn_id, memory_mb=memory_mb, idle_timeout_s=idle_timeout_s, version=version))
        elif kind == "remove" and len(self.deployed) > 1:
            self.deployed.pop(fn_id, None)
            self.obey(self.made.remove(fn_id))
        elif kind == "shutdown" and len(self.function_of) > 20:
            self.closed = True
            self.obey(self.made.shutdown())
        elif kind.startswith("wait"):
            self.now += 61.0 if kind == "wait long" else 2.0
            self.obey(self.made.tick(self.now))

    def deploy(self, new: Revision) -> None:
        self.deployed[new.fn_id] = new
        self.obey(self.made.deploy(new, self.now))

    @rule()
    def everything_goes_well(self) -> None:
        """All that is starting gets ready, all that is stopping has stopped, and half of the calls end."""
        for instance_id in list(self.stopping):
            del self.stopping[instance_id]
            self.obey(self.made.gone(instance_id))
        for instance_id in list(self.starting):
            self.idle[instance_id] = self.starting.pop(instance_id)
            self.obey(self.made.ready(instance_id, self.now))
        for call_id in list(self.running)[::2]:
            self.release(call_id)
            self.obey(self.made.completed(call_id, self.now))

    @rule(fn_id=st.sampled_from("abc"), count=st.integers(1, 4))
    def arrive(self, fn_id: str, count: int) -> None:
        for _ in range(count):
            call_id = f"c{next(self.numbers)}"
            self.function_of[call_id] = fn_id
            self.waiting[call_id] = self.now
            self.obey(self.made.arrive(call_id, fn_id, self.now))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), stop=st.sampled_from([None, None, None, "timeout", "invalid-response"]))
    def complete(self, data: st.DataObject, stop: StopWhy | None) -> None:
        call_id = data.draw(st.sampled_from(sorted(self.running)))
        self.release(call_id)
        self.obey(self.made.completed(call_id, self.now, stop=stop))

    @precondition(lambda self: self.running or self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        call_id = data.draw(st.sampled_from(sorted({**self.running, **self.waiting})))
        if call_id in self.running:
            self.release(call_id)
        else:
            del self.waiting[call_id]
            self.outcomes[call_id] += 1
        self.obey(self.made.cancelled(call_id, self.now))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def bounce(self, data: st.DataObject) -> None:
        call_id = data.draw(st.sampled_from(sorted(self.running)))
        self.release(call_id)
        self.outcomes[call_id] -= 1
        self.waiting[call_id] = self.now
        self.obey(self.made.returned(call_id, self.now))

    def release(self, call_id: str) -> None:
        instance_id = self.running.pop(call_id)
        self.outcomes[call_id] += 1
        if instance_id in self.busy:
            self.idle[instance_id] = self.busy.pop(instance_id)

    @precondition(lambda self: self.starting)
    @rule(data=st.data())
    def ready(self, data: st.DataObject) -> None:
        instance_id = data.draw(st.sampled_from(sorted(self.starting)))
        self.idle[instance_id] = self.starting.pop(instance_id)
        self.obey(self.made.ready(instance_id, self.now))

    @precondition(lambda self: self.starting or self.stopping)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        instance_id = data.draw(st.sampled_from(sorted({**self.starting, **self.stopping})))
        before = sum(self.outcomes.values())
        failed = self.starting.pop(instance_id, None)
        fn_id = failed.fn_id if failed is not None else ""
        waiting = sum(self.function_of[call_id] == fn_id for call_id in self.waiting)
        self.stopping.pop(instance_id, None)
        self.obey(self.made.failed(instance_id, 502, "broken"))
        wanted = failed is not None and waiting > sum(each == failed for each in self.starting.values())
        assert sum(self.outcomes.values()) == before + wanted, "the wrong number of calls failed with a start"

    @precondition(lambda self: self.idle or self.busy or self.stopping)
    @rule(data=st.data())
    def gone(self, data: st.DataObject) -> None:
        instance_id = data.draw(st.sampled_from(sorted({**self.idle, **self.busy, **self.stopping})))
        for where in (self.idle, self.busy, self.stopping):
            where.pop(instance_id, None)
        self.obey(self.made.gone(instance_id))

    @invariant()
    def memory_is_never_over_budget(self) -> None:
        everything = [self.starting, self.idle, self.busy, self.stopping]
        used = sum(each.limits.memory_mb for where in everything for each in where.values())
        assert used == self.made.used_mb
        assert used <= BUDGET_MB

    @invariant()
    def no_call_waits_while_an_instance_of_its_revision_is_idle(self) -> None:
        wanted = {self.function_of[call] for call in self.waiting}
        assert not [each for each in self.idle.values() if each.fn_id in wanted]

    @invariant()
    def every_idle_instance_is_of_the_current_revision(self) -> None:
        assert all(self.deployed.get(each.fn_id) == each for each in self.idle.values())
        assert not (self.closed and self.idle)

    @invariant()
    def an_instance_runs_one_call(self) -> None:
        alive = [instance for instance in self.running.values() if instance in self.busy]
        assert len(set(self.running.values())) == len(self.running)
        assert sorted(alive) == sorted(self.busy)

    @invariant()
    def every_call_has_exactly_one_outcome_or_is_still_on_its_way(self) -> None:
        for call_id in self.function_of:
            here = (call_id in self.waiting) + (call_id in self.running)
            assert here + self.outcomes[call_id] == 1
        assert self.made.calls == len(self.waiting) + len(self.running)

    @invariant()
    def instances_never_exceed_what_calls_have_wanted(self) -> None:
        assert len(self.starting) <= len(self.function_of)
        assert {each.state for each in self.made.instances()} <= {"starting", "idle", "busy", "stopping"}

    def teardown(self) -> None:
        """Whatever came before: with everything done that was ordered, nobody waits and nothing is left."""
        self.obey(self.made.shutdown())
        for call_id in list(self.running):
            self.release(call_id)
            self.obey(self.made.completed(call_id, self.now))
        for instance_id in list(self.stopping):
            del self.stopping[instance_id]
            self.obey(self.made.gone(instance_id))
        assert not (self.waiting)
        assert not (self.starting)
        assert not (self.idle)
        assert not (self.busy)
        assert not (self.stopping)
        assert self.made.quiet


AnyOrder.TestCase.settings = settings(max_examples=250, stateful_step_count=50, deadline=None)
TestAnyOrder = AnyOrder.TestCase
