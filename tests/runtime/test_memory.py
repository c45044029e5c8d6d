"""Memory that a call brings along: as an executor sends it, to a real instance."""

from __future__ import annotations

import mmap
import os
import pickle
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbfn.runtime import wire
from tests.runtime.instance import KEY, SALT, read_reply, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.runtime.instance import Instance, Reply

    Start = Callable[..., Instance]

SOURCE = """
    import pickle
    kept = []

    def greet(data, keep=False):
        kept.append(data) if keep else kept.clear()
        return [pickle.PickleBuffer(bytearray(reversed(bytes(data))))]
"""


@pytest.fixture
def sheet() -> Iterator[Callable[[int], int]]:
    """``sheet(size)``: a descriptor of so much memory."""
    made: list[int] = []

    def make(size: int) -> int:
        made.append(os.memfd_create(wire.MEMORY_NAME))
        os.ftruncate(made[-1], size)
        return made[-1]

    yield make
    for descriptor in made:
        os.close(descriptor)


def call(instance: Instance, told: str, descriptors: Sequence[int], *args: object, **kwargs: object) -> Reply:
    """A call whose buffers are in the first of ``descriptors``."""
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps((args, kwargs), protocol=5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    frame = wire.seal(wire.KIND_CALL, pickled, views, KEY, SALT)
    with mmap.mmap(descriptors[0], 0) as mapped, memoryview(mapped) as memory:
        wire.lay(views, memory)
    body = b"".join(frame[: len(frame) - len(views)])
    with instance.dial() as sock:
        head = request(body, wire.CALL_FRAME, nbfn_salt=SALT.hex(), nbfn_memory=told)
        sent = socket.send_fds(sock, [head], list(descriptors))
        sock.sendall(head[sent:])
        return read_reply(sock)


def result(reply: Reply, descriptor: int | None = None) -> bytes:
    assert reply.headers["content-type"] == wire.RESULT_FRAME, reply.body
    if descriptor is None:
        pickled, buffers = wire.unseal(reply.body, wire.KIND_RESULT, KEY, SALT)
    else:
        with mmap.mmap(descriptor, 0) as mapped:
            memory = memoryview(bytes(mapped))
        pickled, buffers = wire.unseal(reply.body, wire.KIND_RESULT, KEY, SALT, memory)
    return bytes(pickle.loads(pickled, buffers=buffers)[0])


def descriptors_of(instance: Instance) -> int:
    return len(list(Path(f"/proc/{instance.process.pid}/fd").iterdir()))


def mapped(instance: Instance) -> int:
    return Path(f"/proc/{instance.process.pid}/maps").read_text().count(f"memfd:{wire.MEMORY_NAME}")


def test_arguments_are_read_from_it_and_results_written_to_it(
    start: Start, sheet: Callable[[int], int]
) -> None:
    instance, reading, writing = start(SOURCE), sheet(8192), sheet(4096)
    for text in (b"abc" * 1000, b"xyz"):
        reply = call(instance, "4096 4096", [reading, writing], pickle.PickleBuffer(bytearray(text)))
        size = len(text) + -len(text) % 64
        assert reply.headers["nbfn-memory"] == f"{size} beside free"
        assert result(reply, writing) == text[::-1]
    assert mapped(instance) == 1  # what was written to, for the next call
    end = time.monotonic() + 60
    while mapped(instance):  # and without one, not for long
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_argument_that_the_function_keeps_is_not_given_back(
    start: Start, sheet: Callable[[int], int]
) -> None:
    instance, reading = start(SOURCE), sheet(4096)
    buffer = pickle.PickleBuffer(bytearray(b"abc"))
    reply = call(instance, "64 0", [reading], buffer, keep=True)
    assert reply.headers["nbfn-memory"] == "64 within kept"
    assert result(reply) == b"cba"
    assert call(instance, "64 0", [reading], buffer).headers["nbfn-memory"] == "64 within free"


def test_a_result_for_which_there_is_no_room_comes_in_the_body(
    start: Start, sheet: Callable[[int], int]
) -> None:
    instance, reading, writing = start(SOURCE), sheet(8192), sheet(4096)
    buffer = pickle.PickleBuffer(bytearray(b"abc" * 2000))
    reply = call(instance, "8192 4096", [reading, writing], buffer)
    assert reply.headers["nbfn-memory"] == "6016 within free"
    assert result(reply) == b"cba" * 2000


@pytest.mark.parametrize(
    ("told", "count", "why"),
    [
        ("4096 0", 0, "did not come with it"),
        ("4096 4096", 1, "did not come with it"),
        ("0 0", 1, "did not come with it"),
        ("1048576 0", 1, "cannot be used: mmap length is greater than file size"),
        ("4096", 1, "cannot be used: not enough values"),
        ("-1 0", 1, "cannot be used"),
        ("x y", 1, "cannot be used"),
        ("64 0", 1, "the frame is longer than its memory"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    start: Start, sheet: Callable[[int], int], told: str, count: int, why: str
) -> None:
    instance = start(SOURCE)
    descriptors = [sheet(4096), sheet(4096)]
    body = b"".join(
        wire.seal(wire.KIND_CALL, pickle.dumps(((), {}), 5), [memoryview(bytes(100))], KEY, SALT)[:3]
    )
    with instance.dial() as sock:
        head = request(body, wire.CALL_FRAME, nbfn_salt=SALT.hex(), nbfn_memory=told)
        socket.send_fds(sock, [head], descriptors[:count])
        reply = read_reply(sock)
    assert reply.headers["content-type"] == wire.ERROR_JSON
    assert why in reply.headers["nbfn-error"]
    assert instance.call().status == 502  # it lives: BadArguments, since one is missing


def test_descriptors_that_nobody_asked_for_are_closed(start: Start, sheet: Callable[[int], int]) -> None:
    instance, some = start("def greet(): return 1"), sheet(4096)
    instance.call()
    before = descriptors_of(instance)
    with instance.dial() as sock:
        for _ in range(3):
            socket.send_fds(sock, [request()], [some] * 9)
            assert read_reply(sock).body == b"1"
        assert descriptors_of(instance) == before + 1  # the connection
