"""The small parts: ids, objects, the ring of events, output, the hop, the machine."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.drivers.base import StartFailed
from nbfn.executor import answers, machine
from nbfn.executor.accept import changed_app, changed_fn, new_fn
from nbfn.executor.body import Body
from nbfn.executor.events import Events
from nbfn.executor.hop import Head, HopFailed, dial
from nbfn.executor.ids import deadline, new_id, timestamp
from nbfn.executor.objects import App, Fn
from nbfn.executor.output import CALL_BYTES, Output
from nbfn.executor.revision import revision_of

if TYPE_CHECKING:
    from pathlib import Path


def test_ids_are_fns_in_form_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1000
    assert {len(each) for each in ids} == {26}


def test_times_are_written_as_fn_writes_them() -> None:
    assert timestamp(1795531945.0549) == "2026-11-24T14:52:25.054Z"
    assert deadline(1795531945.9) == "2026-11-24T14:52:25Z"


_text = st.characters(exclude_characters="\0=", codec="utf-8")
configs = st.dictionaries(st.text(_text, min_size=1, max_size=3), st.text(_text, max_size=3), max_size=4)


@given(configs, configs)
def test_a_merge_said_twice_changes_nothing_the_second_time(
    old: dict[str, str], change: dict[str, str]
) -> None:
    app = App("a", "shop", config={key: value for key, value in old.items() if value})
    once = changed_app(app, {"config": change}, "later")
    assert changed_app(once, {"config": change}, "even later") is once
    assert once.config == {k: v for k, v in {**app.config, **change}.items() if v}
    assert (once.updated_at == "later") == (once.config != app.config)


@given(configs)
def test_what_was_read_can_be_sent_back(config: dict[str, str]) -> None:
    document = {"name": "f", "app_id": "a", "image": "it", "config": config, "memory": 0}
    fn = new_fn(document, "f", "now")
    assert changed_fn(fn, fn.document("localhost"), "later") is fn


def test_config_is_never_in_a_repr() -> None:
    app, fn = App("a", "shop", config={"K": "secret-1"}), Fn("f", "g", "a", "it", config={"K": "secret-2"})
    assert "secret" not in f"{app!r} {fn!r} {revision_of(app, fn)!r}"


def test_any_text_as_an_image_makes_a_revision() -> None:
    assert str(revision_of(App("a", "shop"), Fn("f", "g", "a", "not//an@image")).image) == "not//an@image"


def test_the_ring_forgets_the_oldest_and_tells_the_rest_in_order() -> None:
    events = Events(size=10)
    for number in range(25):
        events.emit(f"k{number}")
    assert [event.seq for event in events.after(0)] == list(range(16, 26))
    assert [event.seq for event in events.after(20, limit=3)] == [21, 22, 23]
    assert events.after(25) == []
    assert len(events.after(99)) == 10


@given(st.lists(st.integers(0, 130), max_size=60))
def test_the_ring_keeps_only_so_much_output(sizes: list[int]) -> None:
    events = Events(size=10, characters=100)
    for number, size in enumerate(sizes):
        events.emit("log", data={"text": "x" * size, "number": number}, characters=size)
        kept = [len(event.data["text"]) for event in events.after(0)]
        assert kept == sizes[number + 1 - len(kept) : number + 1], "the newest, without a gap"
        assert len(kept) == 1 or sum(kept) <= 100
        more = sizes[number - len(kept)] if number >= len(kept) else 0
        assert len(kept) in (10, number + 1) or sum(kept) + more > 100, "no more than need be is let go"


def test_output_is_cut_into_text_whole_characters_at_a_time() -> None:
    kept: list[tuple[str, str, str]] = []
    output = Output(lambda *piece: kept.append(piece))
    data = "aé€😀".encode()
    output.begin("c1")
    for byte in data:
        output.write("stdout", bytes([byte]))
    assert "".join(text for _, text, _ in kept) == "aé€😀"
    assert {call_id for *_, call_id in kept} == {"c1"}


def test_a_call_that_never_stops_writing_is_cut_off_and_that_is_said() -> None:
    kept: list[str] = []
    output = Output(lambda _stream, text, _call: kept.append(text))
    output.begin("c1")
    for _ in range(40):
        output.write("stdout", b"x" * 65536)
    assert CALL_BYTES <= len("".join(kept)) < CALL_BYTES + 65536 + 100
    assert "left out" in kept[-1]
    output.begin("c2")
    output.write("stdout", b"again")
    assert kept[-1] == "again"


@pytest.mark.anyio
async def test_draining_waits_for_what_was_announced_but_not_for_ever() -> None:
    kept: list[str] = []
    output = Output(lambda _stream, text, _call: kept.append(text))
    output.begin("c1")
    waiting = asyncio.ensure_future(output.drained(6))
    await asyncio.sleep(0)
    output.write("stdout", b"abc")
    assert not waiting.done()
    output.write("stderr", b"def")
    await waiting
    await output.drained(100)


def test_error_headers_are_one_line_of_latin_1() -> None:
    response = answers.failure(502, "first\r\nNbfn-Forged: 1\n" + "é€" * 400)
    (header,) = [value for name, value in response.headers if name == b"nbfn-error"]
    assert b"\r" not in header
    assert b"\n" not in header
    assert len(header) <= 512


def test_a_failed_start_tells_the_image_or_the_cause() -> None:
    assert answers.start_failed(StartFailed("image", "gone", hint="look"), "it:1") == (
        502,
        "Failed to pull image 'it:1': gone",
        "look",
    )
    assert answers.start_failed(StartFailed("timeout", "5 s"), "it:1")[0] == 504
    assert answers.start_failed(StartFailed("refused", "no", hint="do"), "it:1") == (400, "no", "do")


@pytest.mark.parametrize(
    ("sent", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, b"hi"),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", 200, b"to the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n", 502, b""),
    ],
)
@pytest.mark.anyio
async def test_answers_that_can_be_read(state: Path, sent: bytes, status: int, body: bytes) -> None:
    answer = await _exchange(state, sent)
    assert answer == (status, body)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"", "closed before"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", "closed before"),
        (b"hello, who is there?\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\n", "header too large"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 2, "more than one answer"),
    ],
)
@pytest.mark.anyio
async def test_answers_that_cannot(state: Path, sent: bytes, why: str) -> None:
    answer = await _exchange(state, sent)
    assert isinstance(answer, HopFailed)
    assert why in str(answer)


class _Answer:
    """Gathers an answer."""

    def __init__(self) -> None:
        self.status, self.body = 0, b""
        self.outcome: asyncio.Future[tuple[int, bytes] | HopFailed] = asyncio.Future()

    def answered(self, head: Head | None, body: list[bytes], last: bool) -> None:
        self.status = head.status if head else self.status
        self.body += b"".join(body)
        if last:
            self.outcome.set_result((self.status, self.body))

    def failed(self, failure: HopFailed) -> None:
        self.outcome.set_result(failure)


async def _exchange(folder: Path, sent: bytes) -> tuple[int, bytes] | HopFailed:
    """What the hop makes of an instance that sends this and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_unix_server(serve, folder / "s"):
        connection = await dial(folder / "s")
        answer = _Answer()
        connection.send(b"POST /call HTTP/1.1\r\n\r\n", Body.of([]), answer)
        try:
            return await answer.outcome
        finally:
            connection.close()
            await asyncio.sleep(0)


def test_memory_is_a_part_of_the_machines() -> None:
    assert machine.memory_budget_mb() > 0


def test_the_configuration_can_take_the_network_away() -> None:
    def network(app: dict[str, str], fn: dict[str, str]) -> bool:
        return revision_of(App("a", "shop", config=app), Fn("f", "g", "a", "it:1", config=fn)).network

    none, bridge = {"NBFN_NETWORK": "none"}, {"NBFN_NETWORK": "bridge"}
    assert network({}, {})
    assert not network(none, {})
    assert not network({}, none)
    assert network(none, bridge), "the function's own configuration wins"


def test_names_of_headers_that_a_function_makes_up_are_not_remembered() -> None:
    for number in range(1000):
        long = b"X-%d" % number + b"x" * 10_000
        response, _ = answers.response_to(Head(200, [(long, b"1"), (b"X-%d" % number, b"1")], 0))
        assert [name for name, _ in response.headers] == [long, b"X-%d" % number]
    assert sum(map(len, answers._kinds)) < 100_000
