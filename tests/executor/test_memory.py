"""Memory that a caller shares: what the executor takes from it, and passes on."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.drivers.fake import FakeInstance, Script
from nbfn.executor.memory import NotShared, borrow, parse, pid_of
from nbfn.invoke.memory import Sheet
from nbfn.runtime.wire import MEMORY_NAME
from tests.executor.conftest import request_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

ANSWER = b"HTTP/1.1 200 OK\r\nNbfn-Runtime: 1\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def sheet() -> Iterator[Sheet]:
    made = Sheet(4096)
    yield made
    made.close()


@given(
    st.binary(max_size=80)
    | st.lists(st.integers(-5, 1 << 70).map(str), max_size=8).map(lambda w: " ".join(w).encode())
)
def test_only_six_numbers_are_understood(value: bytes) -> None:
    words = value.split()
    try:
        reading, writing = parse(value)
    except NotShared:
        assert len(words) != 6 or not all(word.isdigit() and len(word) < 20 for word in words)
    else:
        assert [*reading, *writing] == [int(word) for word in words]


def test_what_a_caller_speaks_of_is_opened_and_closed(sheet: Sheet) -> None:
    sheet.view[:5] = b"hello"
    memory = borrow(os.getpid(), f"{sheet.told(5)} {sheet.told(sheet.size)}".encode())
    assert memory.told == b"5 %d" % sheet.size
    first, second = memory.descriptors
    assert os.pread(first, 5, 0) == b"hello"
    os.pwrite(second, b"J", 0)
    assert bytes(sheet.view[:5]) == b"Jello"
    memory.close()
    memory.close()
    for descriptor in (first, second):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


@pytest.mark.parametrize("what", ["other inode", "too small", "not sealed", "a pipe", "nothing", "nobody"])
def test_anything_else_is_not_opened(sheet: Sheet, what: str) -> None:
    pid, told = os.getpid(), sheet.told(4096)
    descriptor, inode, _ = told.split()
    ends = os.pipe()
    unsealed = os.memfd_create(MEMORY_NAME)
    os.ftruncate(unsealed, 4096)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    if what == "other inode":
        told = f"{descriptor} {int(inode) + 1} 4096"
    elif what == "too small":
        told = f"{descriptor} {inode} {sheet.size + 1}"
    elif what == "not sealed":
        told = f"{unsealed} {os.fstat(unsealed).st_ino} 4096"
    elif what == "a pipe":
        told = f"{ends[0]} {os.fstat(ends[0]).st_ino} 4096"
    elif what == "nothing":
        told = f"9999 {inode} 4096"
    else:
        pid = 0
    with pytest.raises(NotShared):
        borrow(pid, f"{sheet.told(10)} {told}".encode())
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    for each in (*ends, unsealed):
        os.close(each)


@pytest.mark.anyio
async def test_the_instance_gets_descriptors_and_sizes_and_the_caller_is_told_if_there_are_none(
    executor: Executor, sheet: Sheet
) -> None:
    heads: list[bytes] = []

    async def converse(_: FakeInstance, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append((await reader.readuntil(b"\r\n\r\n")).lower())
            writer.write(ANSWER)

    async with executor(Script(converse=converse)) as running:
        fn_id = await running.deploy()
        told = f"{sheet.told(100)} 0 0 0"
        response = await running.invoke(fn_id, **{"Nbfn-Memory": told})
        assert response.status_code == 200
        assert heads[-1].count(b"nbfn-memory") == 1
        assert b"\r\nnbfn-memory: 100 0\r\n" in heads[-1]
        for wrong in (f"{sheet.told(1 << 40)} 0 0 0", "rubbish"):
            response = await running.invoke(fn_id, **{"Nbfn-Memory": wrong})
            assert (response.status_code, response.headers["nbfn-memory"]) == (422, "refused")
            assert response.json()["message"].startswith("the call's memory cannot be shared: ")
        assert len(heads) == 1
        assert (await running.invoke(fn_id)).status_code == 200  # on the connection of before
        assert b"nbfn-memory" not in heads[-1]


def test_only_processes_of_this_machine_share_anything() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        assert pid_of(client) == 0
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert pid_of(ours) == os.getpid()


@pytest.mark.anyio
@pytest.mark.parametrize("size", [100_000, 250_000, 300_000, 350_000, 400_000])
async def test_an_answer_taken_slowly_to_its_very_end_does_not_stop_the_instance(
    executor: Executor, size: int
) -> None:
    async def converse(_: FakeInstance, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(
                b"HTTP/1.1 200 OK\r\nNbfn-Runtime: 1\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)
            )

    async with executor(Script(converse=converse)) as running:
        fn_id = await running.deploy()
        await running.invoke(fn_id)
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        with sock:
            await loop.sock_connect(sock, str(running.settings.socket))
            await loop.sock_sendall(sock, request_bytes(fn_id, b""))
            await running.happened("call.started", 2)
            for _ in range(20):  # as much as comes without anybody reading
                await asyncio.sleep(0)
            have = 0
            while have < size:
                have += len(await loop.sock_recv(sock, 1 << 20))
        assert len((await running.invoke(fn_id)).content) == size
