"""Calls that end without the function's own answer, against a real server that misbehaves."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbfn.errors import (
    CallRefused,
    CallTimeout,
    ExecutorLost,
    InstanceFailed,
    NbfnError,
    NotFound,
    PayloadError,
    RemoteError,
)
from nbfn.invoke import Caller, NotSent, Terms
from nbfn.transport import Endpoint
from tests.invoke.notebook import context_of, deployment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTEXT = context_of("def greet(): ...")


class Server:
    """Reads one request on each connection and does what it is told."""

    def __init__(self, path: Path, behave: Callable[[socket.socket], None]) -> None:
        self.path = path
        self._behave = behave
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    _read_request(connection)
                    self._behave(connection)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def _read_request(connection: socket.socket) -> None:
    with connection.makefile("rb") as file:
        head = http.client.parse_headers(file) if file.readline() else {}
        file.read(int(head.get("Content-Length", 0)))


@pytest.fixture
def call(state: Path) -> Iterator[Callable[..., object]]:
    """``call(behave)``: one call of a server that behaves so."""
    with contextlib.ExitStack() as stack:

        def call(behave: Callable[[socket.socket], None] | bytes, timeout_s: float | None = None) -> object:
            act = (lambda sock: sock.sendall(behave)) if isinstance(behave, bytes) else behave
            server = Server(state / "s", act)
            stack.callback(server.close)
            caller = stack.enter_context(
                contextlib.closing(Caller(Endpoint("http://localhost", server.path, "secret")))
            )
            return caller.call(deployment(), [], {}, CONTEXT, Terms(timeout_s=timeout_s))

        yield call


def answer(status: int, body: bytes, headers: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %d X\r\nFn-Call-Id: 01M\r\n%bContent-Length: %d\r\n\r\n" % (status, headers, len(body))
    return head + body


@pytest.mark.parametrize(
    ("status", "body", "cls", "text"),
    [
        (
            401,
            b'{"message":"no token"}',
            CallRefused,
            "greet(): no token\n  → the executor's token has changed",
        ),
        (403, b"", CallRefused, "greet(): status 403"),
        (413, b'{"message":"too large"}', CallRefused, "greet(): too large\n  → send less"),
        (429, b'{"message":"queue"}', CallRefused, "greet(): queue\n  → call less often"),
        (400, b"plain\nmore", CallRefused, "greet(): plain"),
        (503, b'{"message":"busy"}', CallRefused, "greet(): busy\n  → wait for running calls"),
        (504, b'{"message":"Timed out"}', CallTimeout, "greet(): Timed out\n  → its limit is 30 s"),
        (
            502,
            b'{"message":"error receiving function response: killed by SIGSEGV"}',
            InstanceFailed,
            "greet(): error receiving function response: killed by SIGSEGV",
        ),
        (500, b'{"message":5}', InstanceFailed, 'greet(): {"message":5}'),
        (404, b'{"message":"Fn not found"}', NotFound, "function 'greet' (app 'notebook') is not at http"),
    ],
)
def test_statuses(call: Callable[..., object], status: int, body: bytes, cls: type, text: str) -> None:
    with pytest.raises(cls) as caught:
        call(answer(status, body))
    assert str(caught.value).startswith(text)
    assert caught.value.status == status
    assert getattr(caught.value, "call_id", "01M") == "01M"


def test_when_to_try_again(call: Callable[..., object]) -> None:
    with pytest.raises(CallRefused, match="try again in 15 s"):
        call(answer(503, b"{}", b"Retry-After: 15\r\n"))


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123", b"nonsense\r\n\r\n"]
)
def test_a_connection_that_breaks_after_sending(call: Callable[..., object], sent: bytes) -> None:
    with pytest.raises(ExecutorLost, match="may have run"):
        call(sent)


def test_nobody_there_passes_through(state: Path) -> None:
    with pytest.raises(NotSent):
        Caller(Endpoint("http://localhost", state / "none")).call(deployment(), [], {}, CONTEXT)


def test_waiting_no_longer(call: Callable[..., object]) -> None:
    with pytest.raises(CallTimeout, match=r"no answer within 0\.05 s; it may still be running"):
        call(lambda sock: sock.recv(1), timeout_s=0.05)


def test_functions_of_another_fdk_are_told_apart(call: Callable[..., object]) -> None:
    with pytest.raises(PayloadError, match="not as a function of nbfn does"):
        call(answer(200, b"1", b"Content-Type: application/json\r\n"))


INTERRUPTED = """
import signal, sys
from pathlib import Path
from nbfn.transport import Endpoint
from tests.invoke.notebook import Caller, context_of, deployment

signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
caller = Caller(Endpoint("http://localhost", Path(sys.argv[1])))
try:
    caller.call(deployment(), [], {}, context_of("def greet(): ..."))
except KeyboardInterrupt:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("interrupted", flush=True)
    sys.stdin.read()  # the process lives on: the call's connection may not
"""


def test_an_interrupt_closes_the_connection(state: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(state / "s"))
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, str(state / "s")],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with process, listener.accept()[0] as connection:
            _read_request(connection)
            connection.settimeout(0.1)
            received: bytes | None = None
            while received is None:  # a signal just before a system call does not interrupt it
                process.send_signal(signal.SIGINT)
                with contextlib.suppress(TimeoutError):
                    received = connection.recv(1)
            assert received == b""
            assert process.communicate(b"")[0] == b"interrupted\n"


def test_errors_keep_the_token_to_themselves(call: Callable[..., object]) -> None:
    with pytest.raises(NbfnError) as caught:
        call(answer(401, b"{}"))
    assert "secret" not in str(caught.value) + repr(caught.value)


ERROR_HEADER = b"Content-Type: application/vnd.nbfn.error+json\r\n"


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff"])
def test_an_error_that_is_not_readable(call: Callable[..., object], body: bytes) -> None:
    with pytest.raises(PayloadError, match="not readable"):
        call(answer(200, body, ERROR_HEADER))


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"type":5,"frames":[{},1,{"line":"x"}],"cause":{}}', b'{"module":"builtins","type":"exit"}'],
)
def test_an_error_document_that_is_odd(call: Callable[..., object], body: bytes) -> None:
    assert isinstance(call(answer(200, body, ERROR_HEADER)).error, RemoteError)
