"""Functions that yield: what they yield is sent while they run, and how it went is told at the end."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nbfn.invoke.connection import Connection, Deadline, Response
from nbfn.runtime import wire
from tests.runtime.instance import KEY, SALT, Instance, request, running

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = """
    import asyncio, os, sys, time

    def greet(count=2, path=""):
        print("begins")
        try:
            for number in range(count):
                yield {"number": number}
            if path:
                while not os.path.exists(path):
                    time.sleep(0.001)
                yield "after"
        finally:
            print("ends")

    async def later(count):
        async with asyncio.timeout(60):
            for number in range(count):
                await asyncio.sleep(0)
                yield number

    def failing(count, kind):
        for number in range(count):
            yield kind(number)
        raise LookupError("no more")

    def raw(kind):
        if kind == "bytes":
            yield b"\\0\\xff"
            yield "é"
        elif kind == "text":
            yield "a\\n"
            yield b"b"
        elif kind == "mixed":
            yield "a"
            yield {}
        elif kind == "empty":
            return
        elif kind == "late bytes":
            yield 1
            yield b"b"
        elif kind == "failing":
            raise LookupError("at once")

    def pieces(value):
        yield 1
        yield (value, {2})
        yield lambda: 1

    def bulky(size):
        yield list(range(size))
        yield [size]

    def event(ctx, data):
        ctx.SetResponseHeaders({"Content-Type": "text/event-stream", "X-A": "b"}, 201)
        yield "data: 1\\n\\n"
        yield "data: 2\\n\\n"
"""


def exchange(instance: Instance, body: bytes, content_type: str = "", **headers: str) -> Response:
    """The head of the answer; the body is still to come."""
    connection = Connection(instance.dial())
    connection.send(request(body, content_type, **headers), [], 0, Deadline(60))
    return connection.receive()


def call(instance: Instance, *args: object, **headers: str) -> Response:
    body = json.dumps({"args": args}).encode()
    return exchange(instance, body, wire.CALL_JSON, nbfn_salt=SALT.hex(), accept=wire.STREAM, **headers)


def records(response: Response) -> Iterator[tuple[int, bytes]]:
    data = b""
    for piece in response.pieces():
        data += piece
        while len(data) >= wire.RECORD_HEAD.size:
            kind, size = wire.RECORD_HEAD.unpack_from(data)
            end = wire.RECORD_HEAD.size + size
            if len(data) < end:
                break
            yield kind, data[wire.RECORD_HEAD.size : end]
            data = data[end:]
    assert data == b""
    response._connection.close()


def values(response: Response) -> tuple[list[object], dict[str, Any]]:
    *found, (kind, end) = records(response)
    assert kind == wire.RECORD_END
    assert {kind for kind, _ in found} <= {wire.RECORD_JSON}
    return [json.loads(each) for _, each in found], json.loads(end)


def whole(response: Response) -> tuple[int, str, bytes, dict[str, str]]:
    body = bytes(response.read())
    response._connection.close()
    return response.status, response.headers["content-type"], body, response.trailers


def test_values_are_sent_while_the_function_runs(state: Path) -> None:
    with running(state, SOURCE) as instance:
        response = call(instance, 1, f"{state}/go")
        assert response.headers["content-type"] == wire.STREAM
        assert response.headers["nbfn-calls-served"] == "0"
        assert "nbfn-run-ms" not in response.headers
        found = records(response)
        assert next(found) == (wire.RECORD_JSON, b'{"number":0}')
        Path(f"{state}/go").touch()  # only now will it go on
        assert next(found) == (wire.RECORD_JSON, b'"after"')
        kind, end = next(found)
        assert kind == wire.RECORD_END
        told = json.loads(end)
        assert base64.b64decode(told["output"]) == b"begins\nends\n"
        assert (told["error"], told["output_cut"]) == (None, 0)
        assert next(found, None) is None
        assert float(response.trailers["nbfn-run-ms"]) == told["run_ms"] > 0
        assert base64.b64decode(response.trailers["nbfn-output"]) == b"begins\nends\n"
        assert values(call(instance, 0)) == ([], {**told, "run_ms": pytest.approx(0, abs=1000)})


def test_an_async_generator_runs_in_one_task(state: Path) -> None:
    with running(state, SOURCE, handler="later") as instance:
        assert values(call(instance, 3))[0] == [0, 1, 2]
        assert whole(exchange(instance, b"2"))[:3] == (200, "application/x-ndjson", b"0\n1\n")


def test_what_it_raises_comes_last(state: Path) -> None:
    source = SOURCE + "\n    def greet(count): return failing(count, int)\n"
    with running(state, source) as instance:
        response = call(instance, 2)
        found, end = values(response)
        assert found == [0, 1]
        assert (end["error"]["type"], end["error"]["message"]) == ("LookupError", "no more")
        assert [frame["name"] for frame in end["error"]["frames"]] == ["failing"]
        assert response.trailers["nbfn-error"] == "LookupError: no more"
        assert "no more" in instance.output.read_text()


def test_values_that_are_not_plain_are_frames_each_in_its_place(state: Path) -> None:
    with running(state, SOURCE, handler="pieces") as instance:
        first, second, (kind, end) = records(call(instance, [1]))
        assert first == (wire.RECORD_JSON, b"1")
        assert second[0] == wire.RECORD_FRAME
        wire.unseal(second[1], wire.KIND_RESULT, KEY, wire.record_salt(SALT, 1))
        with pytest.raises(wire.FrameError, match="not sealed"):
            wire.unseal(second[1], wire.KIND_RESULT, KEY, wire.record_salt(SALT, 0))
        assert kind == wire.RECORD_END
        error = json.loads(end)["error"]
        assert (error["module"], error["type"]) == ("nbfn", "BadResult")


@pytest.mark.parametrize(
    ("size", "python", "kind"),
    [
        (10_000, wire.PYTHON, wire.RECORD_JSON),
        (10_001, wire.PYTHON, wire.RECORD_FRAME),
        (10_001, "cpython-0.0", wire.RECORD_JSON),
        (10_001, "", wire.RECORD_JSON),
    ],
)
def test_long_lists_are_pickles_for_a_caller_of_the_same_python(
    state: Path, size: int, python: str, kind: int
) -> None:
    with running(state, SOURCE, handler="bulky") as instance:
        told = {"nbfn_python": python} if python else {}
        first, second, end = records(call(instance, size, **told))
        assert (first[0], second, end[0]) == (kind, (wire.RECORD_JSON, b"[%d]" % size), wire.RECORD_END)
        if kind == wire.RECORD_JSON:
            assert json.loads(first[1]) == list(range(size))
        else:
            pickled, _ = wire.unseal(first[1], wire.KIND_RESULT, KEY, wire.record_salt(SALT, 0))
            assert pickle.loads(pickled) == list(range(size))


def test_a_caller_that_wants_one_result_is_told(state: Path) -> None:
    with running(state, SOURCE) as instance:
        reply = instance.call_nbfn(1)
        assert reply.headers["nbfn-error"].startswith("BadResult: the function yields")


@pytest.mark.parametrize(
    ("kind", "content_type", "body", "error"),
    [
        ("bytes", "application/octet-stream", b"\0\xff\xc3\xa9", ""),
        ("text", "text/plain; charset=utf-8", b"a\nb", ""),
        ("mixed", "text/plain; charset=utf-8", b"a", "BadResult: a dict came after bytes or text"),
        ("late bytes", "application/x-ndjson", b"1\n", "BadResult: bytes came after a value that is JSON"),
        ("empty", "application/x-ndjson", b"", ""),
    ],
)
def test_for_anyone_the_first_value_decides(
    state: Path, kind: str, content_type: str, body: bytes, error: str
) -> None:
    with running(state, SOURCE, handler="raw") as instance:
        status, kind_told, told, trailers = whole(exchange(instance, json.dumps(kind).encode()))
        assert (status, kind_told, told) == (200, content_type, body)
        assert trailers.get("nbfn-error", "").startswith(error)


def test_for_anyone_a_failure_before_the_first_value_is_a_502(state: Path) -> None:
    with running(state, SOURCE, handler="raw") as instance:
        response = exchange(instance, b'"failing"')
        status, content_type, body, _ = whole(response)
        assert (status, content_type) == (502, "application/json")
        assert json.loads(body)["message"] == "LookupError: at once"
        assert response.headers["nbfn-error"] == "LookupError: at once"


def test_a_handler_with_a_context_says_what_it_streams(state: Path) -> None:
    with running(state, SOURCE, handler="event", style="context") as instance:
        response = exchange(instance, b"")
        assert whole(response)[:3] == (200, "text/event-stream", b"data: 1\n\ndata: 2\n\n")
        assert (response.headers["x-a"], response.headers["fn-http-status"]) == ("b", "201")


def test_a_generator_is_closed_when_nobody_reads_any_more(state: Path) -> None:
    source = """
        def greet(path):
            try:
                while True:
                    yield "x" * 100_000
            finally:
                open(path, "w").close()
    """
    with running(state, source) as instance:
        call(instance, f"{state}/closed")._connection.close()
        assert instance.call_nbfn().status == 200  # answered once the one before has ended
        assert (state / "closed").exists()
