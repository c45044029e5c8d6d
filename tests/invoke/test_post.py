"""The client of calls against servers of all manners: framing, kept connections, cancelling, TCP and TLS."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.invoke import Cancel, NotSent
from nbfn.invoke.connection import Broken, Connection, Deadline
from nbfn.invoke.post import Cancelled, Post
from nbfn.transport import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def receive(data: bytes) -> Connection:
    """A connection over which ``data`` came, and then its end."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(data)
    return Connection(ours)


@pytest.mark.parametrize(
    ("data", "body", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
        (b"HTTP/1.1 204 No\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", b"a", False),
        (b"HTTP/1.1 200 OK\r\n\r\nabc", b"abc", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", b"a", False),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", b"a", True),
        (
            CHUNKED + b"1\r\na\r\nA;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
            b"a0123456789",
            True,
        ),
    ],
)
def test_bodies(data: bytes, body: bytes, keeps: bool) -> None:
    for read_whole in (True, False):
        with contextlib.closing(receive(data)) as connection:
            response = connection.receive()
            found = response.read() if read_whole else b"".join(response.pieces())
            assert found == body
            assert response.keeps_alive == keeps


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        CHUNKED + b"x\r\n",
        CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
        CHUNKED + b"1\r\na\r\n",
    ],
)
def test_what_is_not_a_whole_answer_is_broken(data: bytes) -> None:
    with contextlib.closing(receive(data)) as connection, pytest.raises(Broken):
        connection.receive().read()


@given(st.binary(max_size=200))
def test_whatever_comes_is_an_answer_or_broken(data: bytes) -> None:
    for begin in (b"", CHUNKED, b"HTTP/1.1 200 OK\r\n"):
        with contextlib.closing(receive(begin + data)) as connection, contextlib.suppress(Broken):
            connection.receive().read()


@pytest.mark.parametrize("sizes", [[], [3], [70_000], [1_000_000, 0, 5, 2_000_000], [100] * 2_000])
def test_parts_arrive_in_order_and_whole(sizes: list[int]) -> None:
    ours, theirs = socket.socketpair()
    parts = [bytes([at % 251]) * size for at, size in enumerate(sizes)]
    got = bytearray()

    def read() -> None:
        while piece := theirs.recv(1 << 16):
            got.extend(piece)

    thread = threading.Thread(target=read)
    with theirs, ours:
        thread.start()
        connection = Connection(ours)
        connection.send(b"head", [memoryview(part) for part in parts], sum(sizes), Deadline(60))
        ours.shutdown(socket.SHUT_WR)
        thread.join()
    assert got == b"head" + b"".join(parts)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[tuple[object, str | None]]
    hold = threading.Event()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.client_address, self.headers["Authorization"]))
        if self.path == "/hold":
            self.hold.wait(60)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.path == "/close":
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[_Handler]]]:
    """Where it is, and what it has seen."""
    handler = type("Handler", (_Handler,), {"seen": [], "hold": threading.Event()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", handler
        handler.hold.set()
        listening.shutdown()
        thread.join()


def test_connections_are_kept_until_the_other_side_closes_them(server: tuple[str, type[_Handler]]) -> None:
    url, handler = server
    with contextlib.closing(Post(Endpoint(url, None, "secret"))) as post:
        for path in ("/a", "/b", "/close"):
            assert post.send(url + path, "", [b"x", b"y"]).read() == b"xy"
        assert len({client for client, _ in handler.seen}) == 1
        kept = post._kept[url][-1]
        kept.sock.settimeout(60)
        assert kept.sock.recv(1, socket.MSG_PEEK) == b""  # it has closed
        kept.sock.settimeout(None)
        assert post.send(url + "/a", "", [b"z"]).read() == b"z"
        assert len({client for client, _ in handler.seen}) == 2
        assert {token for _, token in handler.seen} == {"Bearer secret"}


def test_the_token_goes_to_its_executor_alone(server: tuple[str, type[_Handler]]) -> None:
    url, handler = server
    with contextlib.closing(Post(Endpoint("http://127.0.0.1:1", None, "secret"))) as post:
        assert post.send(url, "", [b"x"]).read() == b"x"
    assert handler.seen[0][1] is None


def test_nobody_there(state: Path) -> None:
    for endpoint in (Endpoint("http://127.0.0.1:1"), Endpoint("http://localhost", state / "none")):
        with pytest.raises(NotSent):
            Post(endpoint).send(f"{endpoint.url}/a", "", [])


def test_cancelling_ends_a_request_from_another_thread(server: tuple[str, type[_Handler]]) -> None:
    url, handler = server
    cancel = Cancel()
    outcome: list[BaseException] = []

    def call(post: Post) -> None:
        try:
            post.send(url + "/hold", "", [], cancel=cancel)
        except Cancelled as error:
            outcome.append(error)

    with contextlib.closing(Post(Endpoint(url))) as post:
        thread = threading.Thread(target=call, args=(post,))
        thread.start()
        while not handler.seen:
            pass
        cancel.ask()
        thread.join(60)
        assert len(outcome) == 1
        with pytest.raises(Cancelled):
            post.send(url, "", [], cancel=cancel)
        assert len(handler.seen) == 1
        assert post.send(url, "", [b"a"], cancel=Cancel()).read() == b"a"


def test_a_body_that_is_not_read_to_its_end_costs_the_connection(server: tuple[str, type[_Handler]]) -> None:
    url, _ = server
    with contextlib.closing(Post(Endpoint(url))) as post:
        exchange = post.send(url, "", [b"x" * 1_000_000])
        pieces = exchange.pieces()
        assert next(pieces)
        pieces.close()  # type: ignore[attr-defined]
        assert not post._kept[url]


def test_an_answer_that_comes_before_all_was_sent(state: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(state / "s"))
        listener.listen()

        def refuse() -> None:
            with listener.accept()[0] as peer:
                peer.recv(1000)
                peer.sendall(b"HTTP/1.1 413 X\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=refuse)
        thread.start()
        exchange = Post(Endpoint("http://localhost", state / "s")).send(
            "http://localhost/a", "", [bytes(1 << 24)]
        )
        thread.join()
        assert (exchange.response.status, exchange.read()) == (413, b"{}")
