"""The picture of a dashboard: well-formed and escaped whatever happened, readable by eyes and by ears."""

from __future__ import annotations

import inspect
import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from nbfn.notebook.dashboard.axis import SPANS_MAX, make_axis
from nbfn.notebook.dashboard.form import Form, fields
from nbfn.notebook.dashboard.html import html
from nbfn.notebook.dashboard.lanes import LANES
from nbfn.notebook.dashboard.text import text
from nbfn.notebook.dashboard.view import ROWS, TILES, view
from nbfn.observe.activity import Activity, Known, Scope, fold, known
from nbfn.spec import Event
from tests.observe.test_activity import cold_call, told
from tests.observe.test_timeline import events

times = st.floats(0, 2e9)
activities = st.builds(
    lambda scope, stream, functions: known(fold(Activity(scope), stream), functions),
    st.sampled_from([Scope(), Scope("f"), Scope(app="shop")]),
    st.lists(events, max_size=40),
    st.lists(st.builds(Known, st.sampled_from("fg"), st.text(max_size=9), st.text(max_size=9)), max_size=2),
)


def parsed(activity: Activity, now: float = 110.0, **more: str) -> ElementTree.Element:
    return ElementTree.fromstring(html(view(activity, now=now, **more)))


def burst(instances: int) -> Activity:
    story = [row for n in range(instances) for row in cold_call(f"c{n}", f"i{n:04}")]
    return known(fold(Activity(Scope("f")), told(*story)), [Known("f", "greet", "shop", memory_mb=128)])


@given(activities, times, st.text(max_size=9))
def test_whatever_happened_can_be_drawn(activity: Activity, now: float, wanted: str) -> None:
    board = view(activity, now=now, log_filter=wanted)
    ElementTree.fromstring(html(board))
    assert "\x1b" not in text(board)
    for lane in board.lanes:
        assert 0 <= lane.left <= lane.right <= 1 + 1e-9
    assert len(board.tiles) <= TILES
    assert len(board.rows) <= ROWS


def test_a_clock_that_was_set_back_draws_no_lane_backwards() -> None:
    story = told(("instance.stopped", "i2", "", {}), ("instance.starting", "i1", "", {}))
    board = view(fold(Activity(Scope("f")), story), now=0.0)
    assert board.lanes
    assert all(lane.left <= lane.right for lane in board.lanes)


@given(st.lists(st.tuples(times, st.floats(0, 100)), min_size=1, max_size=60), st.lists(times, max_size=9))
def test_time_goes_one_way_and_stays_on_the_paper(began: list[tuple[float, float]], at: list[float]) -> None:
    axis = make_axis((begin, begin + length) for begin, length in began)
    assert 1 <= len(axis.spans) <= SPANS_MAX
    assert abs(axis.spans[-1].right - 1) < 1e-6
    places = [axis.x(moment) for moment in sorted(at)]
    assert places == sorted(places)
    assert all(0 <= place <= 1 for place in places)


def test_silence_is_folded_away_and_a_short_call_is_seen_beside_a_long_one() -> None:
    axis = make_axis([(0.0, 0.015), (60.0, 60.005), (100.0, 102.0)])
    assert [round(span.seconds, 3) for span in axis.spans] == [0.005, 2.0], "a minute is all that is shown"
    assert axis.spans[0].right - axis.spans[0].left > 0.05
    assert axis.spans[1].left - axis.spans[0].right < 0.05


def test_a_burst_is_bounded_on_the_page() -> None:
    activity = burst(90)
    board = view(activity, now=200.0)
    assert (len(board.tiles), board.tiles_hidden) == (TILES, 90 - TILES)
    assert (len(board.lanes), board.lanes_hidden) == (LANES, 90 - LANES)
    assert len(html(board)) < 100_000


def test_it_is_told_to_screen_readers() -> None:
    root = parsed(burst(3))
    assert root.get("aria-label") == "Dashboard of function greet"
    assert root.get("aria-live") == "off", "or each redraw would be read out"
    for svg in root.iter("svg"):
        assert svg.get("aria-hidden") == "true" or (svg.get("role") == "img" and svg.get("aria-label"))
    (over_time,) = (
        each for each in root.iter("svg") if (each.get("aria-label") or "").startswith("Over time")
    )
    assert "at most 3 instances at once" in over_time.get("aria-label", "")
    assert "started since: first call" in over_time.get("aria-label", "")
    tables = [each.get("aria-label") for each in root.iter("table")]
    assert tables == ["Last calls, newest first"]
    assert all(each.get("scope") for each in root.iter("th"))
    assert [each.get("aria-level") for each in root.iter() if each.get("role") == "heading"] == ["3"]


def test_cold_parts_are_marked_and_reasons_are_words() -> None:
    root = parsed(burst(2))
    assert {"nbfn-start"} <= {each.get("class") for each in root.iter("rect")}
    titles = {each.text or "" for each in root.iter("title")}
    assert any("cold (first call) 9.0 ms" in each for each in titles)
    said = "".join(root.itertext())
    assert "cold because" in said
    assert "first call 2" in said


def test_nothing_a_function_writes_is_markup() -> None:
    hostile = "<script>alert(1)</script>"
    activity = fold(
        Activity(Scope("f")),
        [Event(1, 1.0, "log", "f", "i", "c", {"stream": "stderr", "text": hostile})],
    )
    page = html(view(known(activity, [Known("f", hostile, hostile, memory_mb=1)]), now=2.0, log_filter="<b>"))
    assert "<script" not in page
    assert "<b>" not in page


def test_nothing_comes_from_elsewhere() -> None:
    page = html(view(burst(2), now=2.0))
    assert not re.search(r"https?://|@import|url\(|src=", page)


def test_the_log_is_filtered() -> None:
    pieces = [("stdout", "one\ntwo\n"), ("stderr", "three one\n")]
    activity = fold(
        Activity(Scope("f")),
        [
            Event(seq, 1.0, "log", "f", "i", "c", {"stream": stream, "text": said})
            for seq, (stream, said) in enumerate(pieces, 1)
        ],
    )
    assert [line.text for line in view(activity, now=2.0).log] == ["one", "two", "three one"]
    assert [line.text for line in view(activity, now=2.0, log_filter="ONE stderr").log] == ["three one"]
    assert "no output with" in html(view(activity, now=2.0, log_filter="none"))


def test_as_text_it_says_the_same() -> None:
    said = text(view(burst(3), now=110.0))
    assert "greet · app shop · 128 MB" in said
    assert "3 instances, 0 running, 0 waiting   calls: 3 cold, 0 warm, 0 failed" in said
    assert "cold because: first call (3)" in said
    assert re.search(r"instances over time .*█ at most 3", said)


def signature_of(a, b: int, c: float, d: bool, e: str, f=1, g: int = 2, h: str = "x", *, i=None) -> None:
    """For its signature."""


def test_a_form_has_a_field_for_each_parameter() -> None:
    made = fields(inspect.signature(signature_of))
    assert [(field.name, field.kind, field.optional) for field in made] == [
        ("a", "json", False),
        ("b", "int", False),
        ("c", "float", False),
        ("d", "bool", False),
        ("e", "text", False),
        ("f", "int", True),
        ("g", "int", True),
        ("h", "text", False),
        ("i", "json", True),
    ]
    form = Form(inspect.signature(signature_of))
    form["a"].value = '[1, "two"]'
    form["e"].value = "[3]"
    form["i"].value = ""
    assert form.arguments() == {
        "a": [1, "two"], "b": 1, "c": 1.0, "d": True, "e": "[3]", "f": 1, "g": 2, "h": "x",
    }  # fmt: skip
