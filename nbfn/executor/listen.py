"""The listeners: a unix socket (0600) and, unless it is off, a TCP port; the same HTTP/1.1 on both."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbfn.errors import ExecutorError
from nbfn.executor.folder import clear_socket, explained
from nbfn.executor.front import Connection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbfn.executor.front import Front

_BACKLOG = 2048
_CLOSE_WAIT_S = 2.0


@contextmanager
def bound(path: Path, host: str, port: int | None) -> Iterator[list[socket.socket]]:
    """The bound sockets: unix, then TCP if there is a port. The path is removed at the end.

    Raises:
        ExecutorError: the path or address is taken, or is not one of this machine.
        StateError: the path cannot be used.
    """
    clear_socket(path)
    sockets: list[socket.socket] = []
    try:
        sockets.append(_bind_unix(path))
        if port is not None:
            sockets.append(_bind_tcp(host, port))
        yield sockets
    finally:
        for each in sockets:
            each.close()
        path.unlink(missing_ok=True)


def _bind_unix(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)  # private from its first moment
    try:
        with explained(path, "cannot listen on"):
            try:
                listener.bind(str(path))
            except OSError as error:
                # asyncio and socket leave strerror empty for a path that is too long
                raise OSError(error.errno or errno.ENAMETOOLONG, error.strerror or str(error)) from error
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def _bind_tcp(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise ExecutorError(
            f"cannot listen on {host} port {port}: {error.strerror}",
            hint="set NBFN_PORT=0 for a free port, NBFN_PORT=off for none, or another NBFN_HOST",
        ) from error
    return listener


def url_of(sockets: list[socket.socket]) -> str:
    """The TCP listener's URL; without one, what a client on the unix socket uses as its base."""
    for each in sockets:
        if each.family != socket.AF_UNIX:
            host, port = each.getsockname()[:2]
            return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return "http://localhost"


class Listener:
    """Serves ``front`` on bound sockets from ``start`` to ``close``."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._clock: asyncio.TimerHandle | None = None

    async def start(self, sockets: list[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        for each in sockets:
            if each.family == socket.AF_UNIX:
                server = await loop.create_unix_server(self._accept, sock=each, backlog=_BACKLOG)
            else:
                server = await loop.create_server(self._accept, sock=each, backlog=_BACKLOG)
            self._servers.append(server)

    def _accept(self) -> Connection:
        if self._clock is None:
            self._wind()
        return Connection(self._front, self._connections)

    def _wind(self) -> None:
        loop = asyncio.get_running_loop()
        self._clock = loop.call_later(self._front.patience.sweep_s, self._sweep)

    def _sweep(self) -> None:
        """Whose time is over goes. The clock stands still while there is nobody."""
        self._clock = None
        now = asyncio.get_running_loop().time()
        for connection in [each for each in self._connections if each.expires <= now]:
            connection.too_slow()
        if self._connections:
            self._wind()

    def refuse(self) -> None:
        """Accept no more connections; requests on open ones go on."""
        for server in self._servers:
            server.close()

    async def close(self) -> None:
        """Let answers that are being written finish, then drop every connection."""
        self.refuse()
        for connection in list(self._connections):
            connection.shutdown()
        tasks = self._front.tasks
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_WAIT_S)
        for connection in list(self._connections):
            connection.abort()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_WAIT_S)
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
