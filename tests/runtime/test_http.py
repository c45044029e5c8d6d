"""HTTP as a function reads it, whichever way the bytes arrive."""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbfn.runtime.http import BadRequest, Connection, Disconnected, Request


def read(*pieces: bytes) -> list[Request]:
    """The requests that a peer sends in these pieces before it goes away."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        with theirs, contextlib.suppress(OSError):
            for piece in pieces:
                theirs.sendall(piece)

    sender = threading.Thread(target=send)
    sender.start()
    connection, found = Connection(ours), []
    try:
        while True:
            found.append(connection.read())
    except Disconnected:
        return found
    finally:
        connection.close()
        sender.join()


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def chunked(body: bytes, sizes: list[int]) -> bytes:
    out, at = b"", 0
    for size in [*sizes, len(body)]:
        if piece := body[at : at + size]:
            out += b"%x\r\n%b\r\n" % (len(piece), piece)
        at += size
    return b"POST /call HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n" + out + b"0\r\n\r\n"


def fixed(body: bytes) -> bytes:
    return b"POST /call HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


bodies = st.binary(max_size=300)
cuts = st.lists(st.integers(0, 10_000), max_size=6)


@given(bodies, st.lists(st.integers(1, 50), max_size=10), bodies, cuts)
@settings(max_examples=60)
def test_bodies_come_whole_at_any_split(first: bytes, sizes: list[int], second: bytes, at: list[int]) -> None:
    data = chunked(first, sizes) + fixed(second) + chunked(second, [])
    assert [bytes(request.body) for request in read(*split(data, at))] == [first, second, second]


def test_large_bodies() -> None:
    body = random.Random(1).randbytes(3_000_000)
    assert [bytes(r.body) for r in read(fixed(body) + chunked(body, [1_000_000, 7]))] == [body, body]


def test_headers() -> None:
    (request,) = read(b"\r\nPOST /call HTTP/1.0\r\nX-A:  1 \r\nx-a: 2\r\nEmpty:\r\n\r\n")
    assert request.headers == {"x-a": "1, 2", "empty": ""}
    assert not request.keep_alive
    assert read(b"POST /call HTTP/1.1\r\n\r\n")[0].keep_alive
    assert not read(b"POST /call HTTP/1.1\r\nConnection: Close\r\n\r\n")[0].keep_alive


@given(
    st.binary(max_size=200)
    | st.binary(max_size=60).map(
        lambda tail: b"POST /call HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + tail
    )
    | st.binary(max_size=60).map(lambda line: b"POST /call HTTP/1.1\r\n" + line + b"\r\n\r\n")
)
@settings(max_examples=150)
def test_garbage_is_refused_or_disconnected(data: bytes) -> None:
    with contextlib.suppress(BadRequest):
        read(data)


def test_writing_to_a_peer_that_has_gone() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    connection = Connection(ours)
    with pytest.raises(Disconnected):
        connection.write(200, "", [b"x" * 100_000])
    connection.close()
