"""Output in syslogs: what is sent, over real sockets, and that nobody waits for one."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.drivers.fake import FakeAnswer, FakeCall, Script
from nbfn.executor import syslog
from nbfn.executor.syslogline import LINE_CHARS, Destination, Lines
from tests.containerize.registries import certificates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

pytestmark = pytest.mark.anyio

LINE = re.compile(
    rb"<(?P<priority>\d+)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?P<host>\S+) "
    rb"app_id=(?P<app>\w{26}),fn_id=(?P<fn>\w{26}) (?P<instance>\w{26}) (?P<call>\w{26}|-) - (?P<text>.*)",
    re.DOTALL,
)


async def speak(call: FakeCall) -> FakeAnswer:
    call.instance.write(call.body.decode())
    call.instance.write("a fault\n", "stderr")
    return FakeAnswer(b"done")


# What is sent


def test_where_a_syslog_is() -> None:
    assert Destination.parse("udp://logs.example.com") == Destination("udp", "logs.example.com", 514)
    assert Destination.parse("tcp://[::1]:99") == Destination("tcp", "::1", 99)
    assert Destination.parse("tcp+tls://h") == Destination("tcp+tls", "h", 6514)
    assert Destination.parse("unixgram:///dev/log") == Destination("unixgram", path="/dev/log")
    for url in ("udp://h:514", "tcp://[::1]:99", "unix:///dev/log"):
        assert str(Destination.parse(url)) == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://x", 'url: "ftp://x" invalid scheme, only [tcp, udp, unix, unixgram, tcp+tls] are supported'),
        ("nothing", 'url: "nothing" invalid scheme, only [tcp, udp, unix, unixgram, tcp+tls] are supported'),
        ("tcp://", "the host is missing"),
        ("tcp://h:99999", "Port out of range"),
        ("tcp://h:x", "Port could not be cast"),
        ("udp://h:0", "no port has the number 0"),
        ("unix://", "the path of a socket is missing"),
        ("tcp://[::1", "Invalid IPv6 URL"),
    ],
)
async def test_a_url_that_names_none_is_refused(executor: Executor, url: str, message: str) -> None:
    async with executor() as running:
        made = await running.client.post("/v2/apps", json={"name": "shop", "syslog_url": url})
        assert (made.status_code, message in made.json()["message"]) == (400, True), made.text
        assert made.json()["message"].startswith("invalid syslog url: ")
        app = await running.post("/v2/apps", {"name": "shop", "syslog_url": "udp://127.0.0.1:9"})
        changed = await running.client.put(f"/v2/apps/{app['id']}", json={"syslog_url": url})
        assert (changed.status_code, changed.text) == (400, made.text)
        cleared = await running.client.put(f"/v2/apps/{app['id']}", json={"syslog_url": ""})
        assert "syslog_url" not in cleared.json()


@given(st.lists(st.text(alphabet="ab\n", max_size=9)), st.integers(0, 3 * LINE_CHARS))
def test_lines_do_not_depend_on_how_the_output_came(pieces: list[str], longer: int) -> None:
    pieces.append("x" * longer)
    lines = Lines()
    found = [line for piece in pieces for line in lines.feed("stdout", piece, "c")] + list(lines.rest())
    assert {(stream, call_id) for stream, _, call_id in found} <= {("stdout", "c")}
    told = [text for _, text, _ in found]
    assert all(0 < len(text) <= LINE_CHARS and "\n" not in text for text in told)
    assert "".join(told) == "".join(pieces).replace("\n", "")
    assert not lines.begun


def test_a_line_belongs_to_the_call_that_began_it() -> None:
    lines = Lines()
    assert list(lines.feed("stdout", "one\r\ntw", "a")) == [("stdout", "one", "a")]
    assert list(lines.feed("stderr", "x\n", "a")) == [("stderr", "x", "a")]
    assert list(lines.feed("stdout", "three\n", "b")) == [("stdout", "tw", "a"), ("stdout", "three", "b")]


# Over sockets


class Server:
    """A syslog that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        self.url = ""

    async def lines(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self.messages.put_nowait(line[:-1])
        writer.close()

    async def counted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                size = int(await reader.readuntil(b" "))
                self.messages.put_nowait(await reader.readexactly(size))
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: Server) -> None:
        self._server = server

    def datagram_received(self, data: bytes, _: object) -> None:
        self._server.messages.put_nowait(data)


@asynccontextmanager
async def serving(scheme: str, folder: Path) -> AsyncIterator[Server]:
    server, loop = Server(), asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        if scheme in ("udp", "unixgram"):
            path = str(folder / "log")
            family, address = (
                (socket.AF_INET, ("127.0.0.1", 0)) if scheme == "udp" else (socket.AF_UNIX, path)
            )
            bound = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            bound.bind(address)
            transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(server), sock=bound)
            stack.callback(transport.close)
            server.url = (
                f"udp://127.0.0.1:{bound.getsockname()[1]}" if scheme == "udp" else f"{scheme}://{path}"
            )
        elif scheme == "unix":
            server.url = f"unix://{folder / 'log'}"
            await stack.enter_async_context(await asyncio.start_unix_server(server.lines, folder / "log"))
        else:
            context = None
            if scheme == "tcp+tls":
                certificates(folder)
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
            talk = server.counted if context else server.lines
            listener = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
            server.url = f"{scheme}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
            await stack.enter_async_context(listener)
        yield server


@pytest.mark.parametrize(
    "scheme", ["udp", "tcp", "unix", "unixgram", pytest.param("tcp+tls", marks=pytest.mark.needs("openssl"))]
)
async def test_output_goes_to_the_applications_syslog(
    executor: Executor, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if scheme == "tcp+tls":
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with serving(scheme, tmp_path) as server, executor(Script(answer=speak)) as running:
        app = await running.post("/v2/apps", {"name": "shop", "syslog_url": server.url})
        fn_id = await running.deploy()
        call_id = (await running.invoke(fn_id, "hällo\nthere".encode())).headers["fn-call-id"]
        found = [LINE.fullmatch(await server.messages.get()) for _ in range(3)]
        told = {match["text"].decode(): int(match["priority"]) for match in found if match}
        assert told == {"hällo": 14, "there": 14, "a fault": 11}
        for match in found:
            assert match is not None
            assert (match["app"].decode(), match["fn"].decode()) == (app["id"], fn_id)
            assert match["call"].decode() == call_id
            assert match["host"].decode() == socket.gethostname()
        # It is among the logs as ever, and counted.
        assert len(await running.items(f"/nbfn/v1/fns/{fn_id}/logs", call_id=call_id)) == 2
        assert "nbfn_syslog_sent_total 3" in (await running.client.get("/metrics")).text


async def test_another_url_counts_from_the_next_line_on_and_keeps_instances(
    executor: Executor, tmp_path: Path
) -> None:
    async with serving("tcp", tmp_path) as one, serving("udp", tmp_path) as other:
        async with executor(Script(answer=speak)) as running:
            app = await running.post("/v2/apps", {"name": "shop"})
            fn_id = await running.deploy()
            for url in ("", one.url, other.url):
                await running.client.put(f"/v2/apps/{app['id']}", json={"syslog_url": url})
                await running.invoke(fn_id, url.encode() + b"\n")
            assert (await one.messages.get()).endswith(one.url.encode())
            assert (await other.messages.get()).endswith(other.url.encode())
            assert running.kinds().count("instance.starting") == 1
        assert (await one.messages.get()).endswith(b"a fault")
        assert one.messages.empty()


@pytest.mark.needs("openssl")
async def test_a_certificate_that_is_not_trusted_gets_nothing(
    executor: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    refused = asyncio.Event()
    async with serving("tcp+tls", tmp_path) as server, executor(Script(answer=speak)) as running:
        complain = syslog.log.warning
        monkeypatch.setattr(syslog.log, "warning", lambda *told: (complain(*told), refused.set()))
        await running.post("/v2/apps", {"name": "shop", "syslog_url": server.url})
        await running.invoke(await running.deploy(), b"secret\n")
        await refused.wait()
        assert server.messages.empty()
    assert "certificate verify failed" in caplog.text


# Nobody waits


async def test_one_that_is_not_there_costs_calls_nothing_and_is_found_later(
    executor: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog, "_RETRY_S", 0.01)
    monkeypatch.setattr(syslog, "QUEUE_BYTES", 1000)
    async with executor(Script(answer=speak)) as running:
        await running.post("/v2/apps", {"name": "shop", "syslog_url": f"unix://{tmp_path / 'log'}"})
        fn_id = await running.deploy()
        for number in range(20):
            assert (await running.invoke(fn_id, b"%d\n" % number)).content == b"done"
        async with serving("unix", tmp_path) as server:
            assert (await server.messages.get()).endswith(b" - 0")  # the oldest were kept
            text = (await running.client.get("/metrics")).text
            (dropped,) = re.findall(r"^nbfn_syslog_dropped_total (\d+)$", text, re.MULTILINE)
            assert 20 < int(dropped) < 40


async def test_one_that_is_not_there_is_named_with_whose_it_is(
    executor: Executor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = asyncio.Event()
    complain = syslog.log.warning
    monkeypatch.setattr(syslog.log, "warning", lambda *words: (complain(*words), told.set()))
    monkeypatch.setattr(syslog, "_CLOSE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    async with executor(Script(answer=speak)) as running:
        url = f"tcp://127.0.0.1:{port}"
        await running.post("/v2/apps", {"name": "shop", "syslog_url": url})
        await running.invoke(await running.deploy(), b"x\n")
        await told.wait()
    assert f"the syslog tcp://127.0.0.1:{port} of application shop cannot be reached: " in caplog.text


async def test_one_that_comes_and_goes_is_not_told_of_each_time(
    executor: Executor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A datagram to a port without a listener goes; it is the next one that is refused."""
    monkeypatch.setattr(syslog, "_RETRY_S", 0.001)

    async def one_line(call: FakeCall) -> FakeAnswer:
        call.instance.write(call.body.decode())
        return FakeAnswer(b"done")

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as once:
        once.bind(("127.0.0.1", 0))
        url = f"udp://127.0.0.1:{once.getsockname()[1]}"
    async with executor(Script(answer=one_line)) as running:
        await running.post("/v2/apps", {"name": "shop", "syslog_url": url})
        fn_id = await running.deploy()
        for number in range(50):
            await running.invoke(fn_id, b"%d\n" % number)
            await asyncio.sleep(0.002)
    assert caplog.text.count(f"{url} of application shop cannot be reached") == 1


async def test_one_that_is_not_there_and_gets_nothing_any_more_is_let_go(
    executor: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog, "_RETRY_S", 0.01)
    monkeypatch.setattr(syslog, "_IDLE_S", 0.05)
    async with executor(Script(answer=speak)) as running:
        await running.post("/v2/apps", {"name": "shop", "syslog_url": f"unix://{tmp_path / 'none'}"})
        await running.invoke(await running.deploy(), b"x\n")
        dropped = 0
        while not dropped:
            text = (await running.client.get("/metrics")).text
            dropped = int(re.findall(r"^nbfn_syslog_dropped_total (\d+)$", text, re.MULTILINE)[0])
            await asyncio.sleep(0.01)
        assert dropped == 2


async def test_one_that_does_not_read_costs_calls_nothing(
    executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog, "_CLOSE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        async with executor(Script(answer=speak)) as running:
            url = f"tcp://127.0.0.1:{deaf.getsockname()[1]}"
            await running.post("/v2/apps", {"name": "shop", "syslog_url": url})
            fn_id = await running.deploy()
            big = (b"x" * 1000 + b"\n") * 1000
            for _ in range(20):
                assert (await running.invoke(fn_id, big)).content == b"done"
            text = (await running.client.get("/metrics")).text
            (dropped,) = re.findall(r"^nbfn_syslog_dropped_total (\d+)$", text, re.MULTILINE)
            assert int(dropped) > 1000
