"""Every way in which a server can fail to answer, in nbfn's words. A real server that misbehaves."""

from __future__ import annotations

import inspect
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from nbfn.deploy.fn import FnTarget
from nbfn.deploy.rest import NOTHING_SENT, Rest
from nbfn.errors import (
    Conflict,
    ExecutorLost,
    ExecutorNotRunning,
    NotFound,
    TargetError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def saying(answer: bytes) -> Iterator[httpx.Client]:
    """A server that reads one request and says ``answer`` to it, word for word, then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with httpx.Client(
            base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", trust_env=False
        ) as client:
            yield client
        thread.join()


def answer(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("said", "kind", "match"),
    [
        (answer("404 Not Found", '{"message":"App not found"}'), NotFound, r"App not found \(404\)"),
        (answer("409 Conflict", '{"message":"App already exists"}'), Conflict, "App already exists"),
        (answer("412 Precondition Failed", "{}"), Conflict, "412"),
        (answer("400 Bad Request", '{"message":"Missing Name"}'), TargetError, "Missing Name"),
        (answer("500 Internal Server Error", "oops"), TargetError, "oops"),
        (answer("502 Bad Gateway", ""), TargetError, "Bad Gateway"),
        (answer("401 Unauthorized", '{"message":"no"}'), TargetError, "token"),
        (answer("200 OK", "<html>"), TargetError, "not Fn's JSON"),
        (answer("200 OK", "[1]"), TargetError, "not Fn's JSON"),
        (b"", ExecutorLost, "went away during GET /v2/apps"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", ExecutorLost, "went away"),
        (b"SSH-2.0-OpenSSH\r\n", ExecutorLost, "went away"),
    ],
)
def test_each_failure_has_its_class(said: bytes, kind: type[Exception], match: str) -> None:
    with saying(said) as client, pytest.raises(kind, match=match) as caught:
        Rest(client).get("/v2/apps")
    assert type(caught.value) is kind


def test_nobody_there_is_told_apart_from_somebody_lost() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: refused
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with (
            httpx.Client(base_url=url, trust_env=False) as client,
            pytest.raises(ExecutorNotRunning, match=url),
        ):
            Rest(client).get("/v2/apps")


def test_every_failure_of_httpx_is_one_of_the_two() -> None:
    kinds = [
        each
        for _, each in inspect.getmembers(httpx, inspect.isclass)
        if issubclass(each, httpx.TransportError)
    ]
    sent = {each for each in kinds if not issubclass(each, NOTHING_SENT)}
    assert sent == {
        httpx.TransportError,
        httpx.TimeoutException,
        httpx.NetworkError,
        httpx.ProtocolError,
        httpx.ReadTimeout,
        httpx.WriteTimeout,
        httpx.ReadError,
        httpx.WriteError,
        httpx.CloseError,
        httpx.LocalProtocolError,
        httpx.RemoteProtocolError,
    }


def test_a_stock_server_has_no_logs_and_says_so() -> None:
    said = answer("404 Not Found", '{"message":"Path not found: GET /nbfn/v1/fns/x/logs"}')
    with saying(said) as client, pytest.raises(TargetError, match="does not show logs") as caught:
        FnTarget(client).logs("x")
    assert not isinstance(caught.value, NotFound)


def test_logs_of_no_function_are_not_found() -> None:
    with saying(answer("404 Not Found", '{"message":"Fn not found"}')) as client, pytest.raises(NotFound):
        FnTarget(client).logs("x")
