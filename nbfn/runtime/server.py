"""The loop: one call at a time, from whichever connection has one.

Several connections may be open, since a peer may dial anew before it drops the old one; waiting on all of
them keeps an idle one from blocking the rest.
"""

from __future__ import annotations

import select
from errno import EAGAIN, ECONNABORTED

from .bare import accept, on_terminate
from .errors import header_text
from .http import BadRequest, Connection, Disconnected
from .jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Sequence

    from .calls import Calls
    from .http import Request
    from .streams import Stream

_CONNECTIONS_MAX = 16
_REST_MS = 1000  # without a call, until what is kept for the next one is let go


class _Stop(BaseException):
    """Told to stop while waiting."""


class Server:
    """Answers ``POST /call`` on a listening unix socket until SIGTERM."""

    def __init__(self, listener: socket, calls: Calls) -> None:
        self._listener = listener
        self._calls = calls
        self._connections: dict[int, Connection] = {}  # by file descriptor, oldest first
        self._poll = select.poll()
        self._waiting = False
        self._stopping = False

    def serve(self) -> None:
        """Returns after SIGTERM; a call that is running then is finished and answered first."""
        on_terminate(self._stop)
        self._poll.register(self._listener.fileno(), select.POLLIN)
        try:
            self._loop()
        except _Stop:
            self._stopping = True
        finally:
            for connection in self._connections.values():
                connection.close()
            self._listener.close()

    def _stop(self) -> None:
        self._stopping = True
        if self._waiting:
            raise _Stop

    def _loop(self) -> None:
        listener = self._listener.fileno()
        while not self._stopping:
            self._waiting = True
            ready = self._poll.poll(_REST_MS if self._calls.holds_memory else None)
            self._waiting = False
            if not ready:
                self._calls.forget_memory()
            for fd, _ in ready:
                if fd == listener:
                    self._accept()
                elif fd in self._connections and not self._serve(self._connections[fd]):
                    self._drop(fd)

    def _accept(self) -> None:
        try:
            sock = accept(self._listener)
        except OSError as error:
            if error.errno in (ECONNABORTED, EAGAIN):  # the peer has already gone
                return
            raise  # no descriptors left, or the listener was closed: a new instance does better
        if len(self._connections) >= _CONNECTIONS_MAX:
            self._drop(next(iter(self._connections)))
        self._connections[sock.fileno()] = Connection(sock)
        self._poll.register(sock.fileno(), select.POLLIN)

    def _drop(self, fd: int) -> None:
        self._poll.unregister(fd)
        self._connections.pop(fd).close()

    def _serve(self, connection: Connection) -> bool:
        """Answer what the connection has asked; False if it is to be closed."""
        try:
            while True:
                request = connection.read()
                _check_route(request)
                try:
                    answer = self._calls.answer(request)
                finally:
                    request.close()
                close = self._stopping or not request.keep_alive
                if answer.stream is not None:
                    _write_stream(connection, answer.stream, answer.headers, close=close)
                else:
                    connection.write(answer.status, answer.headers, answer.body, close=close)
                if close or not connection.has_more:
                    return not close
        except Disconnected:
            return False
        except BadRequest as error:
            status, message = error.status, error.message
        _refuse(connection, status, message)  # what was read of it went with the error
        return False


def _refuse(connection: Connection, status: int, message: str) -> None:
    body = dumps({"message": message})
    headers = f"Content-Type: application/json\r\nNbfn-Error: {header_text(message)}\r\n"
    try:
        connection.write(status, headers, [body], close=True)
    except Disconnected:
        return
    connection.linger()


def _write_stream(connection: Connection, stream: Stream, headers: str, *, close: bool) -> None:
    begun = False

    def send(parts: Sequence[bytes | memoryview]) -> None:
        nonlocal begun
        if not begun:
            begun = True
            head = f"Content-Type: {stream.content_type}\r\n{stream.headers}{headers}"
            connection.begin_chunks(stream.status, head, close=close)
        connection.write_chunk(parts)

    stream.run(send)
    connection.end_chunks(stream.trailers)


def _check_route(request: Request) -> None:
    if request.path != "/call" or request.method != "POST":
        raise BadRequest(404 if request.path != "/call" else 405, "POST /call is the one route here")
