"""The scheduler in made-up time."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import nbfn
from nbfn.commands.main import cli
from nbfn.errors import BadInput
from nbfn.scale import Scale
from nbfn.schedule import Arrival, Model, Simulation, burst, simulate
from nbfn.schedule.state import Bounds
from nbfn.spec import Limits

PAGE = Path(__file__).parents[2] / "docs" / "simulation.md"


def starts(found: Simulation) -> list[tuple[str, str]]:
    return [(call.start, call.reason) for call in found.calls]


def test_a_call_is_cold_the_next_is_warm_and_after_a_long_pause_it_is_cold_again() -> None:
    found = simulate([0, 1, 50], run_s=0.5, start_s=0.25, idle_timeout=30)
    assert starts(found) == [("cold", "first-call"), ("warm", ""), ("cold", "idle-expired")]
    first = found.calls[0]
    assert (first.queue_s, first.start_s, first.total_s) == (0, 0.25, 0.75)
    assert [(span.state, span.begin_s, span.end_s) for span in found.spans[:4]] == [
        ("starting", 0, 0.25),
        ("busy", 0.25, 0.75),
        ("idle", 0.75, 1),
        ("busy", 1, 1.5),
    ]


def test_every_reason_can_be_shown() -> None:
    trace = [Arrival(at_s) for at_s in (0, 0.01, 2, 4, 20, 100)]
    trace += [Arrival(1, kind="deploy"), Arrival(3, kind="crash"), Arrival(10, "other")]
    half = Limits(600, 30, 30)
    found = simulate(trace, [Model("f", limits=half), Model("other", limits=half)], memory_mb=1200)
    reasons = [call.reason for call in found.calls if call.function == "f" and call.reason]
    assert reasons == ["first-call", "scale-out", "new-revision", "crashed", "idle-expired"]
    tight = simulate([Arrival(0), Arrival(5, "other"), Arrival(10)], memory=600, memory_mb=1000)
    assert [call.reason for call in tight.calls] == ["first-call", "first-call", "evicted"]


def test_a_maximum_trades_instances_for_waiting() -> None:
    free, tied = simulate("burst:12", memory_mb=4096), simulate("burst:12", memory_mb=4096, max_instances=3)
    assert (free.most_instances, tied.most_instances) == (12, 3)
    assert max(call.queue_s for call in free.calls) == 0
    assert max(call.queue_s for call in tied.calls) == pytest.approx(0.32)


def test_a_minimum_makes_first_calls_warm() -> None:
    found = simulate(burst(2, at_s=5), min_instances=2)
    assert starts(found) == [("warm", ""), ("warm", "")]
    assert found.spans[0].why == "minimum"


def test_what_takes_too_long_or_finds_no_place_is_told() -> None:
    model = Model(run_s=99, limits=Limits(128, 5, 30), scale=Scale(0, 1))
    found = simulate("burst:6", [model], bounds=Bounds(calls_of_one=4, wait_s=8))
    assert found.statuses == Counter({504: 2, 503: 2, 429: 2})
    assert {call.message.split(":")[0] for call in found.calls if call.status == 429} == {
        "Too many requests submitted"
    }
    assert "status 504: 2" in str(found)


arrivals = st.lists(
    st.builds(
        Arrival,
        at_s=st.integers(0, 400).map(lambda each: each / 4),
        function=st.sampled_from("abc"),
        run_s=st.none() | st.sampled_from([0.0, 0.5, 7.0, 60.0]),
        kind=st.sampled_from(["call", "call", "call", "crash", "deploy"]),
    ),
    max_size=40,
)
models = st.builds(
    Model,
    start_s=st.sampled_from([0.0, 0.5]),
    limits=st.builds(Limits, st.sampled_from([100, 400, 900]), st.just(30), st.sampled_from([1, 20])),
    scale=st.sampled_from([Scale(), Scale(1), Scale(0, 1), Scale(1, 2)]),
)


@settings(max_examples=60, deadline=None)
@given(arrivals, models)
def test_whatever_arrives_every_call_ends_once_and_spans_fit(trace: list[Arrival], model: Model) -> None:
    found = simulate(trace, [model], memory_mb=1000)
    assert found == simulate(trace, [model], memory_mb=1000), "it comes out the same each time"
    called = [each for each in trace if each.kind != "deploy"]
    assert len(found.calls) == len({call.id for call in found.calls}) == len(called)
    ends: dict[str, float] = {}
    for span in found.spans:
        assert ends.get(span.instance, 0) <= span.begin_s < span.end_s, "an instance is in one state"
        ends[span.instance] = span.end_s
    ET.fromstring(found.svg())
    json.dumps(found.document())
    assert found.table().count("\n") == len(called)


def test_it_is_of_the_public_names_and_refuses_what_cannot_be() -> None:
    assert nbfn.simulate is simulate
    with pytest.raises(BadInput):
        nbfn.simulate([0], run_s=-1)


def test_the_page_says_what_is_so() -> None:
    text = PAGE.read_text()
    first, several = re.findall(r"```python\n(.*?)```", text, re.S)
    shown = re.search(r"```\n(\d+ calls in .*?)```", text, re.S)
    assert shown is not None
    exec(first, {})
    assert str(nbfn.simulate("poisson:5:60", run_s=0.2, start_s=0.5)) == shown[1].strip()
    exec(several, {"nbfn": nbfn, "print": lambda _: None})


def test_the_command_shows_figures_calls_json_and_a_drawing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(re.findall(r"```\n(at_s.*?)```", PAGE.read_text(), re.S)[0])

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, ["simulate", str(tmp_path / "a.csv"), *words])
        assert done.exit_code == 0, done.output
        return done.output

    assert run("--svg", str(tmp_path / "a.svg")).startswith("3 calls in ")
    ET.parse(tmp_path / "a.svg")
    assert run("--calls").splitlines()[0].split()[:3] == ["arrived", "function", "start"]
    document: dict[str, Any] = json.loads(run("--output", "json"))
    assert [call["status"] for call in document["calls"]] == [200, 200, 502]
