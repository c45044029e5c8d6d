"""A stem cell as the driver holds it: until it is ordered to become an instance."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from typing import TYPE_CHECKING

from nbfn.drivers.sandbox.confine import passing
from nbfn.drivers.sandbox.supervisor import Forked, Supervisor

if TYPE_CHECKING:
    from nbfn.drivers.sandbox.cgroups import Group
    from nbfn.drivers.sandbox.confine.plan import Order

_CREDENTIALS = struct.Struct("iII")
_CHUNK = 1 << 16
_SEND_S = 5.0


class CellFailed(Exception):
    """There is no stem cell; says why."""


class Cell:
    """Made on the event loop's thread, around the driver's end of its control socket."""

    def __init__(self, control: socket.socket, group: Group | None) -> None:
        self._control = control
        self.group = group
        """The cgroup that it is in; whoever lets go of the cell discards it."""
        self._watcher: Forked | None = None
        # The kernel then says who sends, in this process's own numbers.
        control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        control.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self.grown: asyncio.Future[None] = self._loop.create_future()
        """Done when it waits for its order; fails with :class:`CellFailed`."""
        self._loop.add_reader(control.fileno(), self._hear)

    @property
    def living(self) -> bool:
        """True if it can still be ordered."""
        return self._watcher is not None and self._watcher.living

    def order(self, order: Order, listener: int) -> Supervisor:
        """Make it the instance that ``order`` says. It is used up, whatever happens.

        Raises:
            OSError: it has died.
        """
        assert self._watcher is not None
        ends: list[int] = []
        try:
            for _ in ("stdout", "stderr", "ready"):
                ends += os.pipe()
            self._control.settimeout(_SEND_S)  # it waits for this, and reads as fast as it is written
            passing.send(self._control, order, [listener, ends[1], ends[3], ends[5]])
        except OSError:
            self.close()
            for end in ends[::2]:
                os.close(end)
            raise
        finally:
            for end in ends[1::2]:
                os.close(end)
        return Supervisor(self._watcher, self._control, ends[0], ends[2], ends[4])

    def close(self) -> None:
        """Let it go: it ends by itself."""
        if self._control.fileno() < 0:
            return
        self._loop.remove_reader(self._control.fileno())
        self._control.close()
        if self._watcher:
            self._watcher.close()
        if not self.grown.done():
            self.grown.cancel()
        elif not self.grown.cancelled():
            self.grown.exception()  # looked at, so that nobody warns

    def _hear(self) -> None:
        space = socket.CMSG_SPACE(_CREDENTIALS.size)
        try:
            data, beside, _, _ = self._control.recvmsg(_CHUNK, space)
        except BlockingIOError:
            return
        except OSError:
            data, beside = b"", []
        self._loop.remove_reader(self._control.fileno())
        if self.grown.done():
            return
        try:
            self._meet(data, beside)
        except (ValueError, TypeError, OSError) as error:
            self.grown.set_exception(CellFailed(str(error)))
        else:
            self.grown.set_result(None)

    def _meet(self, data: bytes, beside: list[tuple[int, int, bytes]]) -> None:
        if not data:
            raise ValueError("it ended before it was ready")
        told = json.loads(data)
        if not isinstance(told, dict):
            raise TypeError("it told what no stem cell tells")
        if "failed" in told:
            raise ValueError(told["failed"])
        for level, kind, value in beside:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                self._watcher = Forked(_CREDENTIALS.unpack(value)[0])
                return
        raise ValueError("it did not say who it is")
