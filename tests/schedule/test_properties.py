"""The scheduler's promises, against whatever order of events hypothesis can think of."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, get_args

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nbfn.scale import Scale
from nbfn.schedule.orders import Assign, Reject, Start, Stop
from nbfn.schedule.state import Bounds
from nbfn.spec import ColdReason
from tests.schedule.making import BUDGET_MB, Version, make, revision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbfn.schedule.orders import Order, StopWhy

BOUNDS = Bounds(calls=9, calls_of_one=6)
REASONS = set(get_args(ColdReason))
DISTURBANCES = ["deploy", "deploy", "remove", "stop", "wait", "wait long", "shutdown"]
SCALES = st.sampled_from([Scale(), Scale(), Scale(1), Scale(2, 2), Scale(0, 1), Scale(1, 3)])


class AnyOrder(RuleBasedStateMachine):
    """Does what the scheduler orders, late and in any order, and holds it to its promises."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.made = make(bounds=BOUNDS)
        self.numbers = itertools.count(1)
        self.deployed: dict[str, Version] = {}
        self.scales: dict[str, Scale] = {}
        self.lowered: set[str] = set()
        """Functions whose maximum was lowered: they may still have more."""
        self.function_of: dict[str, str] = {}
        self.waiting: dict[str, float] = {}
        self.running: dict[str, str] = {}  # call to instance
        self.outcomes: Counter[str] = Counter()
        self.starting: dict[str, Version] = {}
        self.idle: dict[str, Version] = {}
        self.busy: dict[str, Version] = {}
        self.stopping: dict[str, Version] = {}
        self.ends: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        """By function, the most instances that calls or its minimum ever asked for at once."""
        self.former: set[str] = set()
        """Instances of functions that were removed."""
        self.leaving: set[str] = set()
        """Instances that were stopped during their call."""
        self.closed = False

    @property
    def alive(self) -> dict[str, Version]:
        return {**self.starting, **self.idle, **self.busy}

    def current(self, fn_id: str) -> int:
        return sum(
            each == self.deployed.get(fn_id) for key, each in self.alive.items() if key not in self.leaving
        )

    def obey(self, orders: Sequence[Order[Version]]) -> None:
        for order in orders:
            if isinstance(order, Start):
                self._start(order)
            elif isinstance(order, Assign):
                del self.waiting[order.call_id]
                assert order.instance_id in self.idle, "assigned to an instance that is not idle"
                self.busy[order.instance_id] = self.idle.pop(order.instance_id)
                self.running[order.call_id] = order.instance_id
                assert self.busy[order.instance_id].fn_id == self.function_of[order.call_id]
                assert order.reason in {"", *REASONS}
            elif isinstance(order, Stop):
                sources = [s for s in (self.starting, self.idle) if order.instance_id in s]
                assert len(sources) == 1, "stopped twice, or while a call runs"
                stopped = self.stopping[order.instance_id] = sources[0].pop(order.instance_id)
                if order.why == "idle-expired":
                    assert self.current(stopped.fn_id) >= self.scales[stopped.fn_id].min_instances
            else:
                del self.waiting[order.call_id]
                self.outcomes[order.call_id] += 1

    def _start(self, order: Start[Version]) -> None:
        fn_id = order.revision.fn_id
        waiting = sum(self.function_of[call] == fn_id for call in self.waiting)
        here = sum(each == order.revision for each in self.starting.values())
        if order.reason == "minimum":
            assert self.current(fn_id) < self.scales[fn_id].min_instances, "started more than the minimum"
        else:
            assert here < waiting, "started more than calls wait"
            assert order.reason in REASONS
        there = {**self.alive, **self.stopping}
        held = sum(each.fn_id == fn_id for key, each in there.items() if key not in self.former)
        assert held < self.scales[fn_id].most, "started more than the maximum"
        assert order.revision == self.deployed[fn_id], "started an old revision"
        assert order.instance_id not in {**self.alive, **self.stopping, **self.ends}
        self.starting[order.instance_id] = order.revision

    def end(self, instance_id: str) -> None:
        self.ends[instance_id] += 1
        for where in (self.starting, self.idle, self.busy, self.stopping):
            where.pop(instance_id, None)

    # What disturbs is one rule of several kinds: else little else would happen.

    @initialize(memory_mb=st.sampled_from([100, 300, 700]), scale=SCALES)
    def begin(self, memory_mb: int, scale: Scale) -> None:
        for fn_id in "abc":
            self.deploy(revision(fn_id, memory_mb=memory_mb if fn_id == "a" else 200), scale)

    @rule(data=st.data(), kind=st.sampled_from(DISTURBANCES))
    def disturb(self, data: st.DataObject, kind: str) -> None:
        fn_id = data.draw(st.sampled_from("abc"))
        if kind == "deploy":
            memory_mb = data.draw(st.sampled_from([100, 300, 700, BUDGET_MB + 1]))
            idle_timeout_s, version = data.draw(st.sampled_from([1, 100])), data.draw(st.integers(1, 2))
            new = revision(fn_id, memory_mb=memory_mb, idle_timeout_s=idle_timeout_s, version=version)
            self.deploy(data.draw(st.sampled_from([new, self.deployed.get(fn_id, new)])), data.draw(SCALES))
        elif kind == "remove" and len(self.deployed) > 1:
            self.deployed.pop(fn_id, None)
            self.former |= {**self.alive, **self.stopping}.keys()
            self.scales.pop(fn_id, None)
            self.obey(self.made.remove(fn_id))
        elif kind == "stop":
            self.leaving |= {key for key, each in self.busy.items() if each.fn_id == fn_id}
            self.obey(self.made.stop(fn_id, self.now))
        elif kind == "shutdown" and len(self.function_of) > 20:
            self.closed = True
            self.obey(self.made.shutdown())
        elif kind.startswith("wait"):
            self.now += 61.0 if kind == "wait long" else 2.0
            self.obey(self.made.tick(self.now))

    def deploy(self, new: Version, scale: Scale) -> None:
        if scale.most < self.scales.get(new.fn_id, scale).most:
            self.lowered.add(new.fn_id)
        self.deployed[new.fn_id], self.scales[new.fn_id] = new, scale
        self.asked[new.fn_id] = max(self.asked[new.fn_id], scale.min_instances)
        self.obey(self.made.deploy(new, self.now, scale=scale))

    @rule()
    def everything_goes_well(self) -> None:
        """All that is starting gets ready, all that is stopping has stopped, and half of the calls end."""
        for instance_id in list(self.stopping):
            self.end(instance_id)
            self.obey(self.made.gone(instance_id, self.now))
        for instance_id in list(self.starting):
            if instance_id in self.starting:
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
            self._count(fn_id)
            orders = self.made.arrive(call_id, fn_id, self.now)
            refused = {order.status for order in orders if isinstance(order, Reject)}
            full = len(self.waiting) > BOUNDS.calls
            full |= sum(self.function_of[each] == fn_id for each in self.waiting) > BOUNDS.calls_of_one
            assert not full or refused or any(isinstance(order, Assign) for order in orders)
            self.obey(orders)

    def _count(self, fn_id: str) -> None:
        calls = [*self.waiting, *self.running]
        self.asked[fn_id] = max(self.asked[fn_id], sum(self.function_of[each] == fn_id for each in calls))

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
        failed = self.starting.get(instance_id)
        fn_id = failed.fn_id if failed is not None else ""
        waiting = sum(self.function_of[call_id] == fn_id for call_id in self.waiting)
        self.end(instance_id)
        self.obey(self.made.failed(instance_id, 502, "broken", self.now))
        others = sum(each == failed for each in self.starting.values())
        wanted = failed is not None and waiting > others
        assert sum(self.outcomes.values()) == before + wanted, "the wrong number of calls failed with a start"

    @precondition(lambda self: self.idle or self.busy or self.stopping)
    @rule(data=st.data())
    def gone(self, data: st.DataObject) -> None:
        instance_id = data.draw(st.sampled_from(sorted({**self.idle, **self.busy, **self.stopping})))
        self.end(instance_id)
        self.obey(self.made.gone(instance_id, self.now))

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
    def instances_never_exceed_what_was_wanted_at_once(self) -> None:
        for fn_id in self.deployed:
            assert self.current(fn_id) <= self.asked[fn_id]
            if fn_id not in self.lowered:
                assert self.current(fn_id) <= self.scales[fn_id].most

    @invariant()
    def queues_are_bounded(self) -> None:
        # A call that came back from an instance it could not reach had its place before.
        assert len(self.waiting) <= BOUNDS.calls + len(self.function_of) - len(self.outcomes)
        assert {each.state for each in self.made.instances()} <= {"starting", "idle", "busy", "stopping"}

    def teardown(self) -> None:
        """Whatever came before: with everything done that was ordered, nobody waits and nothing is left."""
        if not self.closed:
            self._minimums_are_kept()
        self.obey(self.made.shutdown())
        for call_id in list(self.running):
            self.release(call_id)
            self.obey(self.made.completed(call_id, self.now))
        for instance_id in list(self.stopping):
            self.end(instance_id)
            self.obey(self.made.gone(instance_id, self.now))
        assert not (self.waiting)
        assert not (self.alive)
        assert not (self.stopping)
        assert set(self.ends.values()) <= {1}
        assert self.made.quiet

    def _minimums_are_kept(self) -> None:
        """When all goes well for a while, every minimum is there, or memory is not."""
        for _ in range(4):
            self.now += 200.0
            self.obey(self.made.tick(self.now))
            while self.waiting or self.running or self.starting or self.stopping:
                self.everything_goes_well()
        assert not self.waiting
        for fn_id, version in self.deployed.items():
            short = self.current(fn_id) < self.scales[fn_id].min_instances
            assert not short or self.made.used_mb + version.limits.memory_mb > BUDGET_MB


AnyOrder.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestAnyOrder = AnyOrder.TestCase
