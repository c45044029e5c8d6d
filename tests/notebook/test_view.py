"""From events to the card: what is counted, ordered and put in words."""

from __future__ import annotations

import inspect
import json
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.notebook.render import html
from nbfn.notebook.text import text
from nbfn.notebook.view import ROWS, curl_line, invoke_line, view
from nbfn.observe.timeline import FunctionPicture, fold
from nbfn.spec import Deployment, Event, FunctionSpec, ImageRef

DIGEST = "sha256:" + "3fa2" * 16
DEPLOYMENT = Deployment(
    spec=FunctionSpec("greet", "notebook"),
    image=ImageRef("nbfn.local/notebook/greet", DIGEST),
    fn_id="fn-1",
    app_id="app-1",
    url="http://127.0.0.1:1/invoke/fn-1",
    fingerprint="sha256:0",
    key=b"a secret key",
)


def seen(*events: tuple[str, str, str, dict[str, object]]) -> FunctionPicture:
    picture = FunctionPicture("fn-1")
    for seq, (kind, instance_id, call_id, data) in enumerate(events, 1):
        picture = fold(picture, Event(seq, 100.0 + seq, kind, "fn-1", instance_id, call_id, data))
    return picture


def a_call(
    call_id: str, start: str, reason: str = "", status: int = 200
) -> tuple[tuple[str, str, str, dict[str, object]], ...]:
    cold = {"start": 5.0, "import": 1.0} if start == "cold" else {}
    timings = {"queue": 0.1, **cold, "run": 2.0, "total": 7.5 + 0.1}
    ended: dict[str, object] = {
        "status": status,
        "message": "",
        "start": start,
        "reason": reason,
        "timings_ms": timings,
    }
    return (
        ("call.queued", "", call_id, {}),
        ("call.started", "i-1", call_id, {"start": start, "reason": reason}),
        ("call.finished", "i-1", call_id, ended),
    )


def test_how_far_its_image_is_shows_until_it_is_there_or_failed() -> None:
    def progress(what: str, done: int, total: int) -> tuple[str, str, str, dict[str, object]]:
        return ("image.progress", "", "", {"what": what, "done": done, "total": total})

    some = progress("load", 1_000_000, 4_000_000)
    card = view(DEPLOYMENT, seen(some), now=0)
    assert "loading the image, 1.0 of 4.0 MB" in text(card)
    assert "loading the image, 1.0 of 4.0 MB" in html(card)
    for last in (progress("load", 4, 4), progress("failed", 0, 0)):
        assert "the image" not in text(view(DEPLOYMENT, seen(some, last), now=0))


def test_limits_are_those_that_it_has_now() -> None:
    changed: dict[str, object] = {"image": "x", "memory": 512, "timeout": 9, "idle_timeout": 8}
    card = view(DEPLOYMENT, seen(("function.updated", "", "", changed)), now=0)
    assert (card.memory_mb, card.timeout_s, card.idle_timeout_s) == (512, 9, 8)


def test_a_cold_call_then_a_warm_one() -> None:
    picture = seen(
        ("instance.starting", "i-1", "", {"reason": "first-call"}),
        ("instance.ready", "i-1", "", {"start_ms": 5.0}),
        *a_call("c-1", "cold", "first-call"),
        *a_call("c-2", "warm"),
        ("instance.idle", "i-1", "", {}),
        ("log", "i-1", "c-2", {"stream": "stdout", "text": "hello\n"}),
    )
    card = view(DEPLOYMENT, picture, now=120.0)
    assert [(row.number, row.start, row.reason, row.outcome) for row in card.rows] == [
        (2, "warm", "", "ok"),
        (1, "cold", "first call", "ok"),
    ]
    assert dict(card.rows[1].stages_ms) == pytest.approx(
        {"queue": 0.1, "start": 4.0, "import": 1.0, "run": 2.0, "other": 0.5}
    )
    assert "other" in dict(card.rows[0].stages_ms)
    assert (card.cold, card.warm, card.failed) == (1, 1, 0)
    (tile,) = card.tiles
    assert (tile.state, tile.age_s, tile.calls, tile.idle_s) == ("idle", 19.0, 2, 11.0)
    assert [piece.text for piece in card.log] == ["hello\n"]
    assert card.image == "3fa23fa23fa2"


def test_only_the_last_calls_are_shown_and_they_keep_their_numbers() -> None:
    picture = seen(*(event for n in range(ROWS + 8) for event in a_call(f"c-{n}", "warm")))
    rows = view(DEPLOYMENT, picture, now=200.0).rows
    assert [row.number for row in rows] == list(range(ROWS + 8, 8, -1))


def test_a_running_call_has_no_time_yet() -> None:
    (row,) = view(DEPLOYMENT, seen(("call.queued", "", "c-1", {})), now=200.0).rows
    assert (row.outcome, row.total_ms, row.number) == ("running", None, 1)


def test_instances_that_are_gone_are_not_shown() -> None:
    picture = seen(
        ("instance.starting", "i-1", "", {}), ("instance.stopped", "i-1", "", {"cause": "exit code 3"})
    )
    assert view(DEPLOYMENT, picture, now=200.0).tiles == ()


def test_the_card_shows_the_image_that_runs_now() -> None:
    updated = seen(("function.updated", "", "", {"image": "nbfn.local/notebook/greet@sha256:" + "b" * 64}))
    assert view(DEPLOYMENT, updated, now=0.0).image == "b" * 12
    odd = seen(("function.updated", "", "", {"image": "@@"}))
    assert view(DEPLOYMENT, odd, now=0.0).image == "3fa23fa23fa2"


def test_no_secret_gets_into_a_card() -> None:
    card = view(
        DEPLOYMENT, seen(), now=0.0, curl=curl_line(DEPLOYMENT.url, Path("/s/token"), inspect.Signature())
    )
    assert "secret" not in html(card) + text(card)


def test_the_curl_line_is_one_that_a_shell_takes() -> None:
    def pay(amount: float, to: str, *, times: int, note: str = "it's") -> None: ...

    words = shlex.split(curl_line("http://h/invoke/1", Path("/a folder/token"), inspect.signature(pay)))
    assert words[0] == "curl"
    assert words[-1] == "http://h/invoke/1"
    assert json.loads(words[words.index("-d") + 1]) == {"amount": 1.0, "to": "…", "times": 1}


def test_the_line_for_a_server_that_wants_signatures() -> None:
    def pay(amount: float, to: str) -> None: ...

    words = shlex.split(invoke_line(DEPLOYMENT, inspect.signature(pay)))
    assert words[:4] == ["nbfn", "invoke", DEPLOYMENT.spec.app, DEPLOYMENT.spec.name]
    assert json.loads(words[words.index("--data") + 1]) == {"amount": 1.0, "to": "…"}
    assert "--data" not in invoke_line(DEPLOYMENT, inspect.Signature())


KINDS = ["call.queued", "call.started", "call.finished", "log", "instance.starting", "instance.ready"]
KINDS += ["instance.busy", "instance.idle", "instance.stopping", "instance.stopped"]
KINDS += ["function.updated", "function.deleted", "executor.restarted"]
FIELDS = ["status", "message", "start", "reason", "timings_ms", "text", "stream", "image", "why"]

events = st.builds(
    Event,
    seq=st.integers(0, 50),
    at=st.floats(0, 1e10),
    kind=st.sampled_from(KINDS),
    fn_id=st.just("fn-1"),
    instance_id=st.sampled_from(["", "i-1", "i-2"]),
    call_id=st.sampled_from(["", "c-1", "c-2", "c-3"]),
    data=st.dictionaries(
        st.sampled_from(FIELDS),
        st.none()
        | st.integers(-(10**6), 10**6)
        | st.text(max_size=9)
        | st.dictionaries(
            st.sampled_from(["queue", "start", "import", "run", "total"]),
            st.floats(allow_nan=True),
            max_size=3,
        ),
        max_size=4,
    ),
)


@given(st.lists(events, max_size=30), st.floats(0, 1e10))
def test_whatever_is_seen_can_be_shown(happened: list[Event], now: float) -> None:
    picture = FunctionPicture("fn-1")
    for event in happened:
        picture = fold(picture, event)
    card = view(DEPLOYMENT, picture, now=now)
    assert html(card)
    assert text(card)
