"""One container, as the driver holds it: a thread that makes it, follows it to its end and removes it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker
from docker.utils.socket import frames_iter

from nbfn.drivers import exits, places
from nbfn.drivers.base import Exit, StartFailed, Usage
from nbfn.drivers.docker import usage
from nbfn.drivers.docker.engine import FAILED, GONE, absent, close_quietly, reason
from nbfn.drivers.sandbox import leftovers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from nbfn.drivers.base import OutputStream, StartRequest
    from nbfn.drivers.docker.engine import Engine

_TAIL_BYTES = 1 << 16
_LOOK_S = 0.002
# Pieces of output that may wait for the event loop: beyond them the container's own writes wait.
_AHEAD = 64
_STREAMS: Mapping[int, OutputStream] = {1: "stdout", 2: "stderr"}
# What the first process of a container says when it cannot execute the second: Docker's, Podman's.
_NOT_EXECUTED = re.compile(
    r"\[FATAL tini \(\d+\)\] exec (?P<what>.+?) failed: (?P<why>.+)"
    r"|ERROR \(catatonit.*?\): .*exec.*?: (?P<other>.+)"
)


class ImageGone(Exception):
    """The daemon has no such image any more."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one instance on the host."""

    folder: Path

    @property
    def iofs(self) -> Path:
        """Where its socket comes; the instance writes here."""
        return self.folder / "iofs"


class DockerInstance:
    """Made on the event loop's thread; its container comes and goes on another."""

    def __init__(
        self,
        engine: Engine,
        request: StartRequest,
        place: Place,
        config: Mapping[str, Any],
        on_output: Callable[[OutputStream, bytes], None],
    ) -> None:
        self.id = request.instance_id
        self.container = f"nbfn-{self.id}"
        self.socket: Path = place.iofs / places.SOCKET
        self.lost = False
        """True if the daemon went away, and with it the knowledge of what the container does."""
        self._engine = engine
        self._api = engine.api
        self._memory_mb = request.limits.memory_mb
        self._place = place
        self._config = config
        self._on_output = on_output
        self._tail = bytearray()
        self._starting = True
        self._pid = 0
        self._lock = threading.Lock()
        self._runs = False
        self._unwanted = False
        self._failure: Exception | None = None
        self._room = threading.Semaphore(_AHEAD)
        self._loop = asyncio.get_running_loop()
        self._started = asyncio.Event()
        self._ended: asyncio.Future[Exit] = self._loop.create_future()
        threading.Thread(target=self._live, name=f"nbfn {self.id}", daemon=True).start()

    # The Instance protocol

    async def wait(self) -> Exit:
        return await asyncio.shield(self._ended)

    async def stop(self, grace_s: float = 0.0) -> Exit:
        if not self._ended.done() and grace_s > 0:
            await self._engine.run(self._signal, signal.SIGTERM)
            await asyncio.wait({self._ended}, timeout=grace_s)
        if not self._ended.done():
            await self._engine.run(self._signal, signal.SIGKILL)
        return await self.wait()

    def usage(self) -> Usage:
        """Of everything in the container, its first process included."""
        if self._ended.done() or not self._pid:
            return Usage(0, 0, 0.0)
        return usage.of(self._pid)

    def on_end(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` on the loop's thread when it has ended."""
        self._ended.add_done_callback(lambda _: tell())

    # Coming up

    async def ready(self, timeout_s: float) -> None:
        """Returns when the socket is there.

        Raises:
            ImageGone: there was nothing to make it from.
            StartFailed: it ended first, or ran ``timeout_s`` without. The caller still has to stop it.
        """
        starting = asyncio.ensure_future(self._started.wait())
        either: set[asyncio.Future[Any]] = {starting, self._ended}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            async with asyncio.timeout(timeout_s):
                while not self._ended.done() and not self._socket_is_there():
                    await asyncio.wait({self._ended}, timeout=_LOOK_S)
        except TimeoutError:
            raise StartFailed("timeout", f"no socket after {timeout_s:g} s", output=self._output()) from None
        finally:
            starting.cancel()
        if self._ended.done():
            raise self._ended_early(self._ended.result())
        self._starting = False
        self._tail.clear()

    def _socket_is_there(self) -> bool:
        try:
            return places.socket_is_there(self._place.iofs)
        except StartFailed as error:
            error.output = self._output()
            raise

    def _ended_early(self, end: Exit) -> Exception:
        if isinstance(self._failure, ImageGone):
            return self._failure
        output = self._output()
        if self._failure is not None:
            return StartFailed("start", str(self._failure), exit=end, output=output)
        said = exits.last_line(output)
        refused = _NOT_EXECUTED.search(output)
        if refused:
            what = refused["what"] or "its program"
            why = refused["why"] or refused["other"]
            return StartFailed("start", f"cannot execute {what!r}: {why}", exit=end, output=output)
        message = f"it ended before its socket was there: {end.cause}" + (f": {said}" if said else "")
        return StartFailed("init", message, exit=end, output=output)

    def _output(self) -> str:
        return self._tail.decode(errors="replace")

    def _take(self, stream: OutputStream, data: bytes) -> None:
        self._room.release()
        if self._starting:
            self._tail += data
            del self._tail[:-_TAIL_BYTES]
        self._on_output(stream, data)

    # In the thread

    def _live(self) -> None:
        """Make the container, follow it, remove it, and tell how it ended."""
        try:
            end = self._run()
        except GONE as error:
            end = self._never(self._engine.went_away(error), lost=True)
        except docker.errors.ImageNotFound as error:
            end = self._never(reason(error), ImageGone(reason(error)))
        except Exception as error:  # whatever it was: somebody waits for its end
            end = self._never(f"no container for it: {reason(error)}")
        try:
            self._api.remove_container(self.container, v=True, force=True)
        except FAILED as error:
            self.lost = self.lost or not absent(error)
        leftovers.remove(self._place.folder)
        self._tell(self._end, end)

    def _run(self) -> Exit:
        self._api.create_container_from_config(self._config, self.container)
        output = self._api.attach_socket(self.container, {"stdout": 1, "stderr": 1, "stream": 1})
        try:
            self._api.start(self.container)
            with self._lock:
                self._runs = True
            self._kill_if_unwanted()
            self._pid = self._state().get("Pid", 0)
            self._tell(self._started.set)
            for stream, data in self._frames(output):
                self._hand_over(stream, data)
        finally:
            response = getattr(output, "_response", None)  # which keeps the connection, and that the socket
            connection = response.raw.connection if response is not None else None
            close_quietly(*filter(None, (connection, response, output)))
        # It may have closed its output itself, and run on.
        try:
            code = int(self._api.wait(self.container, timeout=None).get("StatusCode", -1))
        except docker.errors.NotFound:  # somebody else has removed it, which kills what runs
            code = 128 + signal.SIGKILL
        return self._exit(code, self._state())

    def _frames(self, output: Any) -> Iterator[tuple[OutputStream, bytes]]:
        for number, data in frames_iter(output, tty=False):
            if number in _STREAMS:
                yield _STREAMS[number], data

    def _hand_over(self, stream: OutputStream, data: bytes) -> None:
        while not self._room.acquire(timeout=1.0):
            if self._loop.is_closed():
                return
        self._tell(self._take, stream, data)

    def _state(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self._api.inspect_container(self.container)["State"]
        except docker.errors.NotFound:  # somebody else has removed it
            return {}
        return found

    def _exit(self, code: int, state: Mapping[str, Any]) -> Exit:
        if not 128 < code < 128 + signal.NSIG:
            return Exit(code, None, f"exit code {code}")
        number = code - 128  # so the container's first process tells a signal
        # The kernel may have killed a child of the function, and the function lives on.
        out_of_memory = bool(state.get("OOMKilled")) and number == signal.SIGKILL
        over = f"out of memory: more than {self._memory_mb} MB" if out_of_memory else ""
        return exits.from_status(number, over=over, out_of_memory=out_of_memory)

    def _never(self, cause: str, error: Exception | None = None, *, lost: bool = False) -> Exit:
        self._failure, self.lost = error or RuntimeError(cause), lost
        return Exit(None, None, cause)

    def _signal(self, number: int) -> None:
        """Send it to the container; one that is yet to start will not."""
        with self._lock:
            if not self._runs:
                self._unwanted = True
                return
        with contextlib.suppress(*FAILED):  # it has ended, or the daemon has: its own thread will see
            self._api.kill(self.container, number)

    def _kill_if_unwanted(self) -> None:
        """It was to be stopped before it had started."""
        if self._unwanted:
            self._signal(signal.SIGKILL)

    def _end(self, end: Exit) -> None:
        if not self._ended.done():
            self._ended.set_result(end)

    def _tell(self, call: Callable[..., object], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
            self._loop.call_soon_threadsafe(call, *args)
