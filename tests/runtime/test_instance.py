"""The runtime as a process: what a function sees, what its callers get."""

from __future__ import annotations

import base64
import json
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbfn.runtime import wire
from tests.runtime.instance import SALT, Instance, launch, lay_out, read_reply, request

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    Start = Callable[..., Instance]

GREET = """
def greet(name, times=1):
    return f"hello {name}" * times
"""


def test_a_call_of_ours(start: Start) -> None:
    reply = start(GREET).call_nbfn("ann", times=2)
    assert reply.status == 200
    assert reply.headers["content-type"] == wire.RESULT_JSON
    assert reply.json == {"value": "hello annhello ann"}


def test_headers_tell_of_the_instance(start: Start) -> None:
    instance = start(GREET)
    first, second = instance.call_nbfn("a"), instance.call(b'"b"')
    for reply, served in ((first, "0"), (second, "1")):
        assert reply.headers["nbfn-runtime"] == "1"
        assert reply.headers["nbfn-instance-id"] == "3f2a"
        assert reply.headers["nbfn-calls-served"] == served
        assert float(reply.headers["nbfn-run-ms"]) >= 0
        assert "nbfn-output" not in reply.headers
    assert first.headers["nbfn-import-ms"] == second.headers["nbfn-import-ms"]
    assert float(first.headers["nbfn-instance-age-ms"]) <= float(second.headers["nbfn-instance-age-ms"])


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b'{"name": "ann"}', "hello ann"),
        (b'{"name": "ann", "times": 2}', "hello annhello ann"),
        (b'"ann"', "hello ann"),
        (b'["ann", 2]', "hello ['ann', 2]"),  # it takes one value, and a list is one
    ],
)
def test_anyone_calls_with_json(start: Start, body: bytes, answer: str) -> None:
    reply = start(GREET).call(body, "text/plain")
    assert (reply.status, reply.headers["content-type"], reply.json) == (200, "application/json", answer)


@pytest.mark.parametrize("body", [b"hello ann", b"{", b"\xff\xfe", b"[" * 100_000, b"NaN"])
def test_a_body_that_is_not_json_is_refused(start: Start, body: bytes) -> None:
    instance = start(GREET)
    reply = instance.call(body)
    assert reply.status == 502
    assert reply.headers["nbfn-error"].startswith("BadArguments: the body is not JSON")
    assert reply.json["type"] == "BadArguments"
    assert instance.call(b'"ann"').json == "hello ann"


def test_a_body_that_does_not_fit_names_the_parameters(start: Start) -> None:
    instance = start("def greet(name, city, *, times=1): ...")
    reply = instance.call(b'{"nmae": "ann"}')
    assert reply.status == 502
    assert "(name, city, times=...)" in reply.headers["nbfn-error"]
    assert "an object with 'nmae'" in reply.headers["nbfn-error"]
    assert "empty" in instance.call(b"").headers["nbfn-error"]


def test_raw_bytes(start: Start) -> None:
    reply = start("def greet(data: bytes):\n    return data[::-1]").call(b"\x00\x01{", "application/json")
    assert (reply.status, reply.headers["content-type"], reply.body) == (
        200,
        "application/octet-stream",
        b"{\x01\x00",
    )


@pytest.mark.parametrize(
    ("returned", "answer"),
    [
        ("None", None),
        ("(1, 2.5, {'a': (True,)})", [1, 2.5, {"a": [True]}]),
        ("{1: 'é'}", {"1": "é"}),
        ("'\\ud800'", "\ud800"),
    ],
)
def test_answers_to_anyone_are_json(start: Start, returned: str, answer: object) -> None:
    assert start(f"def greet(): return {returned}").call().json == answer


def test_numpy_is_numbers_to_anyone(start: Start) -> None:
    import numpy

    source = """
        import numpy
        def greet(): return {"mean": numpy.float64(1.5), "n": numpy.int64(3), "all": numpy.arange(3)}
    """
    folder = str(Path(numpy.__file__).parents[1])
    reply = start(source, packages=[folder]).call()
    assert reply.json == {"mean": 1.5, "n": 3, "all": [0, 1, 2]}


@pytest.mark.parametrize("returned", ["object()", "float('nan')", "[{'x': float('inf')}]", "{object(): 1}"])
def test_a_result_that_is_not_json_is_an_error(start: Start, returned: str) -> None:
    reply = start(f"def greet(): return {returned}").call()
    assert reply.status == 502
    assert reply.headers["nbfn-error"].startswith("BadResult: the result, a ")


FAILING = """
class NoSuchCity(LookupError):
    pass

def find(city):
    raise NoSuchCity(f"no city {city!r}")

def greet(city):
    try:
        find(city)
    except NoSuchCity as error:
        raise ValueError("no greeting") from error
"""


def test_a_failure_told_to_anyone(start: Start) -> None:
    instance = start(FAILING)
    reply = instance.call(b'"ulm"')
    assert reply.status == 502
    assert reply.headers["nbfn-error"] == "ValueError: no greeting"
    document = reply.json
    assert (document["message"], document["type"]) == ("ValueError: no greeting", "ValueError")
    assert "no city 'ulm'" in document["traceback"]
    assert "nbfn_runtime" not in document["traceback"]
    assert "ValueError: no greeting" in instance.output.read_text()  # Fn drops the body: the log has it
    assert "nbfn-output" not in reply.headers


def test_a_failure_told_to_us(start: Start) -> None:
    reply = start(FAILING).call_nbfn("ulm")
    assert reply.status == 200
    assert reply.headers["content-type"] == wire.ERROR_JSON
    assert reply.headers["nbfn-error"] == "ValueError: no greeting"
    document = reply.json
    assert (document["type"], document["module"], document["message"]) == (
        "ValueError",
        "builtins",
        "no greeting",
    )
    assert document["frames"] == [
        {
            "file": "func.py",
            "line": 12,
            "name": "greet",
            "text": '        raise ValueError("no greeting") from error',
        }
    ]
    assert document["import"] is False
    assert base64.b64decode(document["exception"]).startswith(b"nbfn")
    cause = document["cause"]
    assert (cause["type"], cause["module"], cause["implicit"]) == ("NoSuchCity", "func", False)
    assert [frame["name"] for frame in cause["frames"]] == ["greet", "find"]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("raise SystemExit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise MemoryError", "MemoryError"),
        ("greet()", "RecursionError"),
        ("raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})", "Odd"),
        ("raise ValueError('two\\nlines \\x00 ' + 'é€' * 2000)", "ValueError"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_nothing_that_a_function_raises_ends_the_instance(
    start: Start, statement: str, expected: str
) -> None:
    instance = start(f"def greet(): {statement}")
    for reply in (instance.call(), instance.call_nbfn()):
        assert reply.headers["nbfn-error"].startswith(expected)
        assert len(reply.headers["nbfn-error"]) <= wire.ERROR_HEADER_BYTES
    assert instance.call_nbfn().headers["nbfn-calls-served"] == "2"


def test_a_deep_traceback_is_cut_in_the_middle(start: Start) -> None:
    document = start("def greet(): greet()").call_nbfn().json
    assert len(document["frames"]) == 100
    assert document["frames_cut"] > 500


def test_an_import_that_fails_is_told_at_each_call(start: Start) -> None:
    instance = start("import no_such_module\n" + GREET)
    for _ in range(2):
        document = instance.call_nbfn("a").json
        assert (document["type"], document["import"]) == ("ModuleNotFoundError", True)
        assert [frame["line"] for frame in document["frames"]] == [1]
    reply = instance.call(b'"a"')
    assert (reply.status, reply.json["import"]) == (502, True)
    assert reply.headers["nbfn-error"] == "ModuleNotFoundError: No module named 'no_such_module'"


def test_a_module_that_exits_is_an_import_that_fails(start: Start) -> None:
    document = start("raise SystemExit('no')").call_nbfn().json
    assert (document["type"], document["import"]) == ("SystemExit", True)


def test_pickled_by_another_minor_is_not_even_imported(start: Start) -> None:
    instance = start("open('imported', 'w').close()", by_value=True, python="3.5")
    assert "pickled by Python 3.5" in instance.call_nbfn().json["message"]
    assert not (instance.folder / "imported").exists()


def test_output_is_passed_on_and_its_end_is_answered(start: Start) -> None:
    instance = start(
        """
        import sys
        def greet(n):
            sys.stderr.write("a" * n)
            print("é")
            sys.stdout.buffer.write(b"end")
        """
    )
    reply = instance.call_nbfn(10)
    assert base64.b64decode(reply.headers["nbfn-output"]) == b"aaaaaaaaaa\xc3\xa9\nend"
    assert "nbfn-output-cut" not in reply.headers
    reply = instance.call_nbfn(10_000)
    tail = base64.b64decode(reply.headers["nbfn-output"])
    assert len(tail) == wire.OUTPUT_TAIL_BYTES
    assert tail.endswith(b"a\xc3\xa9\nend")
    assert int(reply.headers["nbfn-output-cut"]) == 10_006 - wire.OUTPUT_TAIL_BYTES
    assert instance.output.read_bytes() == b"a" * 10 + b"\xc3\xa9\nend" + b"a" * 10_000 + b"\xc3\xa9\nend"


def test_a_thread_that_prints_after_the_answer_does_no_harm(start: Start) -> None:
    instance = start(
        """
        import threading
        gate = threading.Event()
        done = threading.Event()
        def work():
            gate.wait()
            print("late", flush=True)
            done.set()
        def greet(last):
            if not last:
                threading.Thread(target=work).start()
            else:
                gate.set()
                done.wait()
            return last
        """
    )
    assert "nbfn-output" not in instance.call_nbfn(False).headers
    assert base64.b64decode(instance.call_nbfn(True).headers["nbfn-output"]) == b"late\n"


def test_the_key_is_out_of_sight_and_the_name_is_func(start: Start) -> None:
    source = """
        import os, sys
        def greet():
            return ["NBFN_KEY" in os.environ, __name__, sys.modules["func"].greet is greet]
    """
    assert start(source).call_nbfn().json == {"value": [False, "func", True]}


def test_the_folder_it_is_started_in_shadows_nothing(start: Start, state: Path) -> None:
    (state / "json.py").write_text("raise RuntimeError('shadowed')")
    (state / "func.py").write_text("raise RuntimeError('shadowed')")
    assert start("import json\ndef greet(): return json.loads('1')").call_nbfn().json == {"value": 1}


def test_async_functions_share_a_loop(start: Start) -> None:
    instance = start(
        """
        import asyncio
        loops = []
        async def greet():
            loops.append(asyncio.get_running_loop())
            await asyncio.sleep(0)
            return [len(loops), all(loop is loops[0] for loop in loops)]
        """
    )
    assert instance.call_nbfn().json == {"value": [1, True]}
    assert instance.call().json == [2, True]


def test_chunked_bodies_and_expectations(start: Start) -> None:
    instance = start(GREET)
    with instance.dial() as sock:
        sock.sendall(b"POST /call HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b'3;x=y\r\n"an\r\n2\r\nn"\r\n0\r\nTrailer: x\r\n\r\n')
        assert read_reply(sock).json == "hello ann"
        sock.sendall(request(b'"bob"') + request(b'"cyd"'))  # two at once
        received = b""
        while b"hello cyd" not in received:
            received += sock.recv(10_000)
        assert received.index(b"hello bob") < received.index(b"hello cyd")


def test_a_second_connection_is_served_while_the_first_is_kept(start: Start) -> None:
    instance = start(GREET)
    assert instance.call(b'"a"').json == "hello a"
    with ExitStack() as stack:
        socks = []
        for _ in range(40):  # more than are kept
            socks.append(stack.enter_context(instance.dial()))
            socks[-1].sendall(request(b'"b"'))
            assert read_reply(socks[-1]).json == "hello b"
        assert socks[0].recv(1) == b""  # the oldest was closed
        socks[30].sendall(request(b'"c"'))
        assert read_reply(socks[30]).json == "hello c"


def test_a_peer_that_goes_away_is_forgotten(start: Start) -> None:
    instance = start("import time\ndef greet(n): return 'x' * n")
    with instance.dial() as sock:
        sock.sendall(request(b"50000000"))
    with instance.dial() as sock:
        sock.sendall(b"POST /call HTTP/1.1\r\nContent-Length: 10\r\n\r\n1234")
    assert instance.call(b"3").json == "xxx"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /call HTTP/1.1\r\n\r\n", 405),
        (b"POST /other HTTP/1.1\r\n\r\n", 404),
        (b"POST /call HTTP/2.0\r\n\r\n", 505),
        (b"nonsense\r\n\r\n", 400),
        (b"POST /call HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /call HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /call HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST /call HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /call HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\n", 400),
        (b"POST /call HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", 400),
        (b"POST /call HTTP/1.1\r\n folded\r\n\r\n", 400),
        (b"POST /call HTTP/1.1\r\nContent-Length: 999999999999999999\r\n\r\n", 413),
        (b"X" * 200_000, 431),
    ],
)
def test_bad_http_is_refused_and_survived(start: Start, sent: bytes, status: int) -> None:
    instance = start(GREET)
    with instance.dial() as sock:
        sock.sendall(sent)
        reply = read_reply(sock)
        assert reply.status == status
        assert reply.headers["connection"] == "close"
    assert instance.call(b'"a"').json == "hello a"


def _send_without_end(sock: socket.socket) -> None:
    while True:
        sock.sendall(bytes(1 << 10))
        time.sleep(0.01)


def test_who_still_sends_what_was_refused_gets_the_answer(start: Start) -> None:
    instance = start(GREET)
    with instance.dial() as sock:
        sock.sendall(b"POST /call HTTP/1.1\r\nContent-Length: 999999999999999999\r\n\r\n")
        assert read_reply(sock).status == 413
        sock.sendall(bytes(1 << 20))
        with pytest.raises(ConnectionError):  # but not for ever
            _send_without_end(sock)
    assert instance.call(b'"a"').json == "hello a"


def test_sigterm_ends_it_cleanly(start: Start) -> None:
    instance = start("import atexit\natexit.register(print, 'bye')\n" + GREET)
    instance.call_nbfn("a")
    assert instance.stop() == 0
    assert instance.output.read_text() == "bye\n"


def test_a_running_call_is_answered_before_it_ends(start: Start) -> None:
    instance = start(
        """
        import os, signal
        def greet():
            os.kill(os.getpid(), signal.SIGTERM)
            return "done"
        """
    )
    reply = instance.call_nbfn()
    assert (reply.json, reply.headers["connection"]) == ({"value": "done"}, "close")
    assert instance.process.wait(30) == 0


def test_a_crash_says_where(start: Start) -> None:
    instance = start("import os, signal\ndef greet():\n    os.kill(os.getpid(), signal.SIGSEGV)")
    with instance.dial() as sock:
        sock.sendall(request())
        assert sock.recv(1) == b""
    assert instance.process.wait(30) == -signal.SIGSEGV
    assert 'func.py", line 3 in greet' in instance.output.read_text()


def test_the_link_is_relative_and_old_sockets_are_replaced(start: Start, state: Path) -> None:
    (state / "io").mkdir()
    (state / "io" / "phonylsnr.sock").touch()
    instance = start(GREET)
    assert instance.socket.readlink() == Path("phonylsnr.sock")
    assert instance.socket.stat().st_mode & 0o777 == 0o666


@pytest.mark.parametrize(
    ("env", "entry", "said"),
    [
        ({"FN_LISTENER": ""}, {}, "FN_LISTENER is ''"),
        ({"NBFN_KEY": "xyz"}, {}, "NBFN_KEY is not hexadecimal"),
        ({}, {"schema": 9}, "not of schema 1"),
        ({"NBFN_FUNCTION_DIR": "/nowhere"}, {}, "/nowhere/nbfn.json cannot be read"),
    ],
)
def test_an_image_that_cannot_be_served_says_why(
    state: Path, env: dict[str, str], entry: dict[str, object], said: str
) -> None:
    lay_out(state, GREET, **entry)
    assert launch(state, env=env).wait(30) == 1
    output = (state / "output").read_text()
    assert said in output
    assert "xyz" not in output


def test_frames_without_a_key_are_refused(start: Start) -> None:
    instance = start("def greet(x=None): return {1, 2}", env={"NBFN_KEY": ""})
    frame = b"".join(wire.seal(wire.KIND_CALL, b"x", [], b"key", SALT))
    document = instance.call(frame, wire.CALL_FRAME, nbfn_salt=SALT.hex()).json
    assert (document["module"], document["type"]) == ("nbfn", "BadArguments")
    assert "no key" in document["message"]
    document = instance.call_nbfn().json
    assert (document["module"], document["type"]) == ("nbfn", "BadResult")
    assert json.dumps(document["frames"]) == "[]"
