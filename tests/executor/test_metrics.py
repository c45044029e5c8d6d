"""The metrics, read by Prometheus's own parser."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from nbfn.drivers.fake import FakeAnswer, FakeCall, Script
from nbfn.executor import metrics as module
from nbfn.executor.exposition import OF_FUNCTIONS, Census, exposition
from nbfn.executor.metrics import BOUNDS_S, Histogram, Metrics, Tally, outcome
from nbfn.executor.objects import App, Fn
from nbfn.executor.records import CallRecord
from nbfn.executor.revision import revision_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from prometheus_client.samples import Sample

    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]


def call(fn_id: str, status: int = 200, reason: str = "", took_ms: float = 1.0) -> CallRecord:
    start = "cold" if reason else "warm"
    return CallRecord("c", fn_id, "i", start, reason, status, "", 0.0, 0.1, 0.0, None, 1.0, took_ms)


def read(text: str) -> list[Sample]:
    families = list(text_string_to_metric_families(text))
    assert all(each.documentation and each.type != "unknown" for each in families)
    return [sample for family in families for sample in family.samples]


def value(samples: list[Sample], name: str, **labels: str) -> float:
    """The sum of the samples of that name that have these labels."""
    return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())


def deployed(metrics: Metrics, count: int) -> None:
    app = App("app", 'sh"op\\')
    for number in range(count):
        metrics.deployed(revision_of(app, Fn(f"f{number}", f"n{number}", "app", "it")))


@given(st.lists(st.floats(0, 100)))
def test_a_histogram_counts_what_is_at_most_each_bound(values: list[float]) -> None:
    histogram = Histogram()
    for each in values:
        histogram.observe(each)
    metrics = Metrics()
    metrics.requests["/", "GET", 200] = histogram
    samples = read(exposition(metrics, Census()))
    name = "fn_api_latency_seconds"
    for bound in BOUNDS_S:
        assert value(samples, f"{name}_bucket", le=f"{bound:g}") == sum(each <= bound for each in values)
    assert value(samples, f"{name}_bucket", le="+Inf") == value(samples, f"{name}_count") == len(values)
    assert value(samples, f"{name}_sum") == pytest.approx(sum(values))


@pytest.mark.parametrize(
    ("status", "failed", "said"),
    [
        (200, False, "completed"), (200, True, "errors"), (502, True, "errors"), (504, True, "timeouts"),
        (444, True, "canceled"), (429, True, "server_busy"), (503, True, "server_busy"),
        (400, True, "errors"),
    ],
)  # fmt: skip
def test_how_calls_end_in_fns_words(status: int, failed: bool, said: str) -> None:
    assert outcome(status, failed=failed) == said


def test_series_are_bounded_and_no_sum_becomes_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FUNCTIONS", 3)
    metrics = Metrics()
    deployed(metrics, 10)
    for number in range(10):
        metrics.ended(call(f"f{number}", reason="first-call"))
    census = Census(Counter(f9=2), Counter(f0=1, f8=1), Counter({("f0", "busy"): 1, ("f9", "idle"): 1}))

    def check(*, own: set[str]) -> None:
        samples = read(exposition(metrics, census))
        assert {each.labels["fn_id"] for each in samples if "fn_id" in each.labels} == {*own, "other"}
        assert value(samples, "fn_calls_total") == 14
        assert value(samples, "fn_queued", fn_id="other") == 2
        assert value(samples, "nbfn_call_duration_seconds_count", start="cold") == 10
        assert value(samples, "nbfn_instances", state="idle", fn_id="other") == 1

    check(own={"f0", "f1", "f2"})
    metrics.removed("f2")
    check(own={"f0", "f1"})
    metrics.removed("f2")
    metrics.ended(call("f2"))
    assert set(metrics.functions) == {"f0", "f1"}, "a function that is no more does not come back"


def test_a_function_that_was_never_called_has_no_series() -> None:
    metrics = Metrics()
    deployed(metrics, 3)
    metrics.ended(call("f1"))
    samples = read(exposition(metrics, Census()))
    assert {each.labels["fn_id"] for each in samples if "fn_id" in each.labels} == {"f1", "other"}
    (info,) = (each for each in samples if each.name == "nbfn_function_info" and each.labels["fn"])
    assert info.labels == {"app_id": "app", "fn_id": "f1", "app": 'sh"op\\', "fn": "n1"}


@given(st.lists(st.sampled_from([200, 444, 502, 504]), max_size=5))
def test_adding_up_loses_nothing(statuses: list[int]) -> None:
    metrics, total = Metrics(), Tally()
    deployed(metrics, 1)
    for each in statuses:
        metrics.ended(call("f0", each))
    total.add(metrics.of("f0"))
    metrics.removed("f0")
    assert metrics.others.statuses == total.statuses == Counter(statuses)
    assert metrics.others.warm.counts == total.warm.counts


def test_every_metric_is_documented() -> None:
    text = exposition(Metrics(), Census())
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    documented = set(re.findall(r"^\| `([a-z_]+)`", page, re.MULTILINE))
    assert documented == set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert {each.name for each in OF_FUNCTIONS} <= documented


@pytest.mark.anyio
async def test_what_an_executor_counts(executor: Executor) -> None:
    gate = asyncio.Event()

    async def answer(call: FakeCall) -> FakeAnswer:
        if call.body == b"wait":
            await gate.wait()
        return FakeAnswer(b"", status=502 if call.body == b"fail" else 200)

    async with executor(Script(answer=answer)) as running:
        fn_id = await running.deploy()
        for body in (b"", b"", b"fail"):
            await running.invoke(fn_id, body)
        waiting = asyncio.create_task(running.invoke(fn_id, b"wait"))
        await running.happened("call.started", 4)
        await running.client.get("/v2/nosuch")
        await running.client.get("/v2/fns/nosuch")
        response = await running.client.get("/metrics")
        assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        samples = read(response.text)
        assert value(samples, "fn_calls_total", fn_id=fn_id) == 4
        assert value(samples, "fn_running", fn_id=fn_id) == 1
        assert value(samples, "fn_completed_total", fn_id=fn_id) == 2
        assert value(samples, "fn_errors_total", fn_id=fn_id) == 1
        assert value(samples, "nbfn_call_status_total", fn_id=fn_id, status="502") == 1
        for start, count in (("cold", 1), ("warm", 2)):
            assert value(samples, "nbfn_call_duration_seconds_count", start=start) == count
        assert value(samples, "nbfn_cold_starts_total", reason="first-call") == 1
        assert value(samples, "fn_container_start_duration_seconds_count") == 1
        assert value(samples, "fn_container_busy_duration_seconds_count") == 3
        assert value(samples, "fn_container_idle_duration_seconds_count") == 2, "before the second and third"
        assert value(samples, "nbfn_instances", fn_id=fn_id, state="busy") == 1
        assert value(samples, "nbfn_memory_reserved_bytes") == 128 << 20
        named = {"path": "/v2/fns/{fn_id}", "method": "GET", "status": "404"}
        assert value(samples, "fn_api_response_count_total", **named) == 1
        assert value(samples, "fn_api_response_count_total", path="other", status="404") == 1
        assert value(samples, "process_open_fds") > 3
        gate.set()
        await waiting
        await running.client.delete(f"/v2/fns/{fn_id}")
        await running.happened("instance.stopped")
        samples = read((await running.client.get("/metrics")).text)
        assert value(samples, "fn_calls_total", fn_id="other") == 4
        assert value(samples, "fn_container_busy_duration_seconds_count", fn_id="other") == 4
        assert value(samples, "fn_container_idle_duration_seconds_count", fn_id="other") in (3, 4)
        assert value(samples, "nbfn_instances") == 0
        assert value(samples, "fn_calls_total", fn_id=fn_id) == 0
