"""One sandboxed instance, as the driver holds it: its supervisor, its output and its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from typing import TYPE_CHECKING

from nbfn.drivers import exits, places
from nbfn.drivers.base import Exit, StartFailed, Usage
from nbfn.drivers.sandbox import leftovers, plans
from nbfn.drivers.sandbox.confine import proctree, supervise

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbfn.drivers.base import OutputStream
    from nbfn.drivers.sandbox.cgroups import Group
    from nbfn.drivers.sandbox.confine.plan import Report
    from nbfn.drivers.sandbox.plans import Place
    from nbfn.drivers.sandbox.supervisor import Supervisor

_CHUNK = 1 << 16
_TAIL_BYTES = 1 << 16
_LOOK_S = 0.002
# How long a supervisor may take to kill what it watches before it is killed itself.
_KILL_S = 5.0


class SandboxInstance:
    """Made right after the supervisor was spawned, on the event loop's thread."""

    def __init__(
        self,
        instance_id: str,
        place: Place,
        supervisor: Supervisor,
        memory_mb: int,
        group: Group | None,
        on_output: Callable[[OutputStream, bytes], None],
    ) -> None:
        self.id = instance_id
        self.socket: Path = place.iofs / "lsnr.sock"
        self._place = place
        self._supervisor = supervisor
        self._memory_mb = memory_mb
        self._group = group
        self._stopping = False
        self._on_output = on_output
        self._tail = bytearray()
        self._starting = True
        self._told = b""
        self._failure = ""
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Exit] = self._loop.create_future()
        self._finishing: asyncio.Task[None] | None = None
        self._streams: dict[int, OutputStream] = {supervisor.stdout: "stdout", supervisor.stderr: "stderr"}
        for descriptor in self._streams:
            os.set_blocking(descriptor, False)
            self._loop.add_reader(descriptor, self._read_output, descriptor)
        self._is_ready = asyncio.Event()
        if supervisor.ready is not None:
            os.set_blocking(supervisor.ready, False)
            self._loop.add_reader(supervisor.ready, self._read_ready)
        supervisor.control.setblocking(False)
        self._loop.add_reader(supervisor.control.fileno(), self._read_control)

    # The Instance protocol

    async def wait(self) -> Exit:
        return await asyncio.shield(self._ended)

    async def stop(self, grace_s: float = 0.0) -> Exit:
        self._stopping = True
        if not self._ended.done() and grace_s > 0:
            self._tell(supervise.TERMINATE)
            await asyncio.wait({self._ended}, timeout=grace_s)
        if not self._ended.done():
            self._tell(supervise.KILL)
            await asyncio.wait({self._ended}, timeout=_KILL_S)
        if not self._ended.done():
            self._supervisor.watcher.kill()  # stopped or wedged: what it held dies with it
        return await self.wait()

    def usage(self) -> Usage:
        """Of the supervisor too, which exists for this instance alone."""
        if self._ended.done():
            return Usage(0, 0, 0.0)
        below = proctree.descendants(self._supervisor.watcher.pid)
        pids = [self._supervisor.watcher.pid, *below]
        return Usage(proctree.private_bytes(pids), len(below), proctree.cpu_s(pids))

    def on_end(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` on the loop's thread when it has ended."""
        self._ended.add_done_callback(lambda _: tell())

    # Coming up

    async def ready(self, timeout_s: float) -> None:
        """Returns when the socket is there.

        Raises:
            StartFailed: it ended first, or ``timeout_s`` passed. The caller still has to stop it.
        """
        try:
            async with asyncio.timeout(timeout_s):
                if self._supervisor.ready is None:
                    await self._link()
                else:
                    await self._is_ready.wait()
        except TimeoutError:
            message, hint = f"no socket after {timeout_s:g} s", self._what_is_missing()
            raise StartFailed("timeout", message, output=self._output(), hint=hint) from None
        if self._ended.done():
            raise self._ended_early(self._ended.result())
        self._starting = False
        self._tail.clear()

    def _read_ready(self) -> None:
        """It has said that it is ready, or it will never be, which its end tells."""
        assert self._supervisor.ready is not None
        self._loop.remove_reader(self._supervisor.ready)
        if os.read(self._supervisor.ready, 1):
            self._is_ready.set()

    async def _link(self) -> None:
        """Returns when the link is there, or it has ended."""
        while not self._ended.done() and not self._socket_is_there():
            await asyncio.wait({self._ended}, timeout=_LOOK_S)

    def _socket_is_there(self) -> bool:
        try:
            return places.socket_is_there(self._place.iofs)
        except StartFailed as error:
            error.output = self._output()
            raise

    def _what_is_missing(self) -> str:
        """Of the handshake: for somebody who writes an image of their own."""
        try:
            names = sorted(path.name for path in self.socket.parent.iterdir())
        except OSError:
            names = []
        if self._supervisor.ready is not None:
            return "its runtime has a socket and did not say that it is ready"
        if names:
            found = ", ".join(names)
            return f"it made {found}: the link lsnr.sock to its socket is missing beside it (FN_LISTENER)"
        return "it must listen where FN_LISTENER says, a unix socket; a port is not looked for"

    def _ended_early(self, end: Exit) -> StartFailed:
        output = self._output()
        said = exits.last_line(output)
        if self._failure:
            return StartFailed(
                "start", self._failure, exit=end, output=output, hint=exits.hint_of(self._failure)
            )
        message = f"it ended before its socket was there: {end.cause}" + (f": {said}" if said else "")
        hint = (end.hint if end.out_of_memory else "") or exits.hint_of(said) or end.hint
        return StartFailed("init", message, exit=end, output=output, hint=hint)

    def _output(self) -> str:
        return self._tail.decode(errors="replace")

    # What the supervisor and the instance say

    def _tell(self, word: bytes) -> None:
        with contextlib.suppress(OSError):  # it has ended, which its own end will tell
            self._supervisor.control.send(word)

    def _read_output(self, descriptor: int) -> bool:
        """Hand on one piece; False if there is none now."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(descriptor)
            return False
        if self._starting:
            self._tail += data
            del self._tail[:-_TAIL_BYTES]
        self._on_output(self._streams[descriptor], data)
        return True

    def _read_control(self) -> None:
        try:
            data = self._supervisor.control.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._told += data
        if not data:
            self._loop.remove_reader(self._supervisor.control.fileno())
            self._finishing = self._loop.create_task(self._finish())

    async def _finish(self) -> None:
        """The supervisor has gone: read the rest, leave nothing, and tell how it ended."""
        code = await asyncio.to_thread(self._supervisor.watcher.wait)
        report = _read(self._told)
        if report is None:
            # It did not get to say how: it was killed itself, and may have left processes behind.
            report = {"status": -code if code < 0 else code << 8}
            await asyncio.to_thread(leftovers.kill_marked, {self.id})
        self._failure = report.get("failed", "")
        end = self._exit(report)
        self._supervisor.control.close()
        for descriptor in self._streams:
            while self._read_output(descriptor):
                pass
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
        if self._supervisor.ready is not None:
            self._loop.remove_reader(self._supervisor.ready)
            os.close(self._supervisor.ready)
        await asyncio.to_thread(leftovers.remove, self._place.folder)
        self._ended.set_result(end)
        self._is_ready.set()  # whoever waits for it waits in vain

    def _exit(self, report: Report) -> Exit:
        status = report.get("status", 127 << 8)
        over = report.get("over", "")
        limit, hint = "", ""
        # A kill that nbfn did not send may be the kernel's, who counts them.
        if self._group is not None and not self._stopping and self._group.killed_for_memory():
            over = "memory" if self._group.reached_its_limit() else "machine"
        if over == "memory":
            limit = f"out of memory: more than {self._memory_mb} MB"
            hint = "give it more memory, or hold less at once; files in /tmp and /dev/shm count"
        elif over == "machine":
            limit = "out of memory: this machine, or the cgroup that nbfn runs in, had none left"
            hint = "set NBFN_MEMORY_MB to what functions may have together"
        elif over == "processes":
            limit, hint = "too many processes", f"it may have {plans.PROCESSES} processes and threads"
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not killed:
            return exits.from_status(status)
        return exits.from_status(status, over=limit, out_of_memory=over in ("memory", "machine"), hint=hint)


def _read(told: bytes) -> Report | None:
    """A supervisor's report; None if it is none. Packages in a zygote may have it say anything."""
    try:
        found = json.loads(told)
        report: Report = {
            "failed": str(found.get("failed", "")),
            "status": int(found.get("status", 127 << 8)),
            "over": str(found.get("over", "")),
        }
        exits.from_status(report["status"])
    except (ValueError, AttributeError, TypeError, OverflowError):
        return None
    return report
