"""A driver without processes: each instance is a unix socket server in this event loop.

For tests of whatever stands on drivers. It keeps the whole contract (readiness, output, ends, usage),
and a :class:`Script` says how instances behave; nothing in it takes time unless a script does.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbfn.drivers import exits
from nbfn.drivers.base import Exit, Isolation, StartFailed, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbfn.drivers.base import OutputStream, StartRequest
    from nbfn.spec import ImageRef, Progress


@dataclass(frozen=True, slots=True)
class FakeCall:
    """One request as an instance got it."""

    instance: FakeInstance
    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes


@dataclass(frozen=True, slots=True)
class FakeAnswer:
    """What an instance answers; the runtime's own headers are added."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


async def echo(call: FakeCall) -> FakeAnswer:
    """The body back, with its content type."""
    kind = call.headers.get("content-type", "application/octet-stream")
    return FakeAnswer(call.body, headers={"Content-Type": kind})


async def _at_once(_instance: FakeInstance) -> None:
    return


Converse = Callable[["FakeInstance", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Script:
    """How instances behave. May be changed while they run."""

    answer: Callable[[FakeCall], Awaitable[FakeAnswer]] = echo
    """May wait for the test's events, write output, or end the instance (:meth:`FakeInstance.end`)."""
    start: Callable[[FakeInstance], Awaitable[None]] = _at_once
    """Runs before the socket is there: waits, writes, ends the instance, or raises StartFailed."""
    prepare: Callable[[ImageRef], Awaitable[None]] | None = None
    converse: Converse | None = None
    """Takes the place of ``answer`` and of all HTTP: what an instance says and reads on one connection."""
    on_terminate: Callable[[FakeInstance], None] | None = None
    """What SIGTERM does; None ends the instance by it."""
    memory_bytes: int = 1 << 20
    start_timeout_s: float = 30.0


class FakeInstance:
    """One server. ``calls`` counts what it has answered."""

    def __init__(
        self,
        request: StartRequest,
        folder: Path,
        script: Script,
        on_output: Callable[[OutputStream, bytes], None],
    ) -> None:
        self.request = request
        self.id = request.instance_id
        self.socket: Path = folder / "lsnr.sock"
        self.calls = 0
        self.env = {**request.env, "NBFN_INSTANCE_ID": self.id, "FN_LISTENER": f"unix:{self.socket}"}
        self._folder = folder
        self._script = script
        self._on_output = on_output
        self._output = bytearray()
        self._loop = asyncio.get_running_loop()
        self._born = self._loop.time()
        self._ended: asyncio.Future[Exit] = self._loop.create_future()
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    # What a script may do with it

    def write(self, text: str, stream: OutputStream = "stdout") -> None:
        """Output, as the process would have written it."""
        self._output += text.encode()
        self._on_output(stream, text.encode())

    def end(self, code: int = 0, *, signal_number: int = 0, out_of_memory: bool = False) -> None:
        """End it as a process ends: with an exit code, or by a signal. Open calls lose their connection."""
        if self._ended.done():
            return
        over = f"out of memory: more than {self.request.limits.memory_mb} MB" if out_of_memory else ""
        if out_of_memory:
            signal_number = signal.SIGKILL
        status = signal_number or code << 8
        if self._server:
            self._server.close()
        for task in self._conversations:
            task.cancel()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._ended.set_result(exits.from_status(status, over=over, out_of_memory=out_of_memory))

    # The Instance protocol

    async def wait(self) -> Exit:
        end = await asyncio.shield(self._ended)
        # One that ends itself in the middle of an answer cannot wait for that answer.
        here = asyncio.current_task()
        others = {task for task in self._conversations if task is not here}
        if others:
            await asyncio.wait(others)
        return end

    async def stop(self, grace_s: float = 0.0) -> Exit:
        if grace_s > 0 and not self._ended.done():
            if self._script.on_terminate is None:
                self.end(signal_number=signal.SIGTERM)
            else:
                self._script.on_terminate(self)
            await asyncio.wait({self._ended}, timeout=grace_s)
        self.end(signal_number=signal.SIGKILL)
        return await self.wait()

    def usage(self) -> Usage:
        if self._ended.done():
            return Usage(0, 0, 0.0)
        return Usage(self._script.memory_bytes, 1, 0.0)

    # Serving

    async def come_up(self) -> None:
        """Run the script's start and open the socket.

        Raises:
            StartFailed: the script ended it, raised, or took too long.
        """
        starting = asyncio.ensure_future(self._script.start(self))
        either: set[asyncio.Future[None] | asyncio.Future[Exit]] = {starting, self._ended}
        try:
            await asyncio.wait(
                either,
                timeout=self._script.start_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if starting.done():
                await starting
        finally:
            starting.cancel()
        output = self._output.decode(errors="replace")
        if self._ended.done():
            end, said = self._ended.result(), exits.last_line(output)
            message = f"it ended before its socket was there: {end.cause}" + (f": {said}" if said else "")
            raise StartFailed("init", message, exit=end, output=output)
        if not starting.done():
            timeout_s = self._script.start_timeout_s
            raise StartFailed("timeout", f"no socket after {timeout_s:g} s", output=output)
        path = self._folder / "phonylsnr.sock"
        self._server = await asyncio.start_unix_server(self._converse, path)
        self.socket.symlink_to(path.name)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._conversations.add(task)
        task.add_done_callback(self._conversations.discard)
        try:
            if self._script.converse is not None:
                await self._script.converse(self, reader, writer)
                return
            while call := await self._read(reader):
                answer = await self._script.answer(call)
                if self._ended.done():
                    break
                writer.write(self._encode(answer))
                self.calls += 1
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass  # the caller hung up, or does not speak HTTP
        except asyncio.CancelledError:
            pass  # the instance ended
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> FakeCall | None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, path, _ = first.split(" ", 2)
        pairs = (line.split(":", 1) for line in lines)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        return FakeCall(self, method, path, headers, await _read_body(reader, headers))

    def _encode(self, answer: FakeAnswer) -> bytes:
        age_ms = (self._loop.time() - self._born) * 1000
        headers = {
            "Nbfn-Runtime": "1",
            "Nbfn-Instance-Id": self.id,
            "Nbfn-Calls-Served": str(self.calls),
            "Nbfn-Instance-Age-Ms": f"{age_ms:.1f}",
            "Nbfn-Import-Ms": "0.0",
            "Nbfn-Run-Ms": "0.000",
            **answer.headers,
            "Content-Length": str(len(answer.body)),
        }
        lines = [f"HTTP/1.1 {answer.status} Fake", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "chunked" not in headers.get("transfer-encoding", ""):
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    while (await reader.readline()).strip():
        pass  # trailers
    return body


class FakeDriver:
    """Starts :class:`FakeInstance` objects below ``run``. ``started`` keeps every request, oldest first."""

    name = "fake"
    isolation = Isolation("none", (), ("everything: instances are parts of the executor itself",))

    def __init__(self, run: Path, script: Script | None = None) -> None:
        self.script = script or Script()
        self.started: list[StartRequest] = []
        self.instances: dict[str, FakeInstance] = {}
        """Those that were started, by id; they stay after their end."""
        self._run = run

    async def prepare(self, image: ImageRef, progress: Progress | None = None) -> None:
        if self.script.prepare:
            await self.script.prepare(image)

    async def start(
        self, request: StartRequest, on_output: Callable[[OutputStream, bytes], None]
    ) -> FakeInstance:
        self.started.append(request)
        folder = self._run / request.instance_id
        folder.mkdir(parents=True)
        instance = FakeInstance(request, folder, self.script, on_output)
        self.instances[request.instance_id] = instance
        try:
            await instance.come_up()
        except BaseException:
            instance.end(signal_number=signal.SIGKILL)
            raise
        return instance

    async def sweep(self) -> int:
        alive = {each.id for each in self.instances.values() if not each._ended.done()}  # noqa: SLF001
        left = [path for path in self._run.glob("*") if path.name not in alive]
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
        return len(left)

    async def close(self) -> None:
        for instance in self.instances.values():
            await instance.stop()
