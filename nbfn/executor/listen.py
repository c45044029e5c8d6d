"""The listeners: a unix socket (0600) and, unless it is off, a TCP port; uvicorn's HTTP/1.1 on both.

uvicorn's own ``Server`` is not used: it takes over signals, wakes ten times a second, and decides itself in
which order a shutdown goes.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from nbfn.errors import ExecutorError
from nbfn.executor.folder import clear_socket, explained

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

_BACKLOG = 2048
# Longer than any client keeps one: the side that calls should be the one that closes.
_KEEP_ALIVE_S = 300
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
    """Serves ``app`` on bound sockets from ``start`` to ``close``."""

    def __init__(self, app: ASGIApp) -> None:
        self._config = uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        self._config.load()
        self._state = ServerState()
        self._servers: list[asyncio.Server] = []

    async def start(self, sockets: list[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        protocol = partial(
            HttpToolsProtocol,
            config=self._config,
            server_state=self._state,
            app_state={},
        )
        for each in sockets:
            if each.family == socket.AF_UNIX:
                server = await loop.create_unix_server(protocol, sock=each, backlog=_BACKLOG)
            else:
                server = await loop.create_server(protocol, sock=each, backlog=_BACKLOG)
            self._servers.append(server)

    def refuse(self) -> None:
        """Accept no more connections; requests on open ones go on."""
        for server in self._servers:
            server.close()

    async def close(self) -> None:
        """Let answers that are being written finish, then drop every connection."""
        self.refuse()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=_CLOSE_WAIT_S)
        for connection in list(self._state.connections):
            connection.transport.abort()
        for task in list(self._state.tasks):
            task.cancel()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=_CLOSE_WAIT_S)
