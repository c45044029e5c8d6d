"""Output sent to the syslogs that applications name, without anybody ever waiting for one.

Each syslog has a queue of bounded size and a task that empties it. What does not fit is dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
from collections import deque
from typing import TYPE_CHECKING, Protocol

from nbfn.executor.ids import timestamp
from nbfn.executor.syslogline import Destination, Lines, Source, framed, message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbfn.executor.metrics import Metrics

log = logging.getLogger(__name__)

QUEUE_BYTES = 4 << 20
_BATCH_BYTES = 64 << 10
_CONNECT_S, _SEND_S, _CLOSE_S = 5.0, 10.0, 1.0
_RETRY_S, _RETRY_MAX_S = 0.5, 30.0
_IDLE_S = 300.0
# An unfinished line goes after this long: the end of it may never come.
_LINE_S = 0.5
_QUIET_S = 300.0
_APPS_SHOWN = 3


class Syslog:
    """All syslogs. Used from one event loop; ``close`` it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._sinks: dict[str, _Sink] = {}
        self._unfinished: set[Output] = set()
        self._host = socket.gethostname()

    def output(self, source: Source, url: Callable[[], str]) -> Output:
        """What takes the output of one instance. ``url`` says where it goes at that moment, if anywhere."""
        return Output(self, source, url)

    def tell(self, url: str, source: Source, lines: Iterable[tuple[str, str, str]]) -> None:
        """Send these, soon. Never waits or raises."""
        sink = self._sinks.get(url)
        if sink is None or sink.task.done():
            try:
                sink = _Sink(Destination.parse(url), self._metrics)
            except ValueError as error:  # it was kept by a version that took it
                log.warning("application %s: no syslog is at %r: %s", source.app_name, url, error)
                return
            self._sinks[url] = sink
            sink.task.add_done_callback(functools.partial(self._ended, url, sink))
        sink.apps[source.app_name] = None
        at = timestamp()
        for stream, text, call_id in lines:
            if sink.full:
                self._metrics.syslog_dropped += 1
            else:
                sink.put(message(source, stream, text, call_id, at, self._host))

    def _ended(self, url: str, sink: _Sink, _: object) -> None:
        if self._sinks.get(url) is sink:
            del self._sinks[url]

    def unfinished(self, output: Output, *, still: bool) -> None:
        """Some line of this output has begun; or not ``still``."""
        (self._unfinished.add if still else self._unfinished.discard)(output)

    async def close(self) -> None:
        """Give each a second for what is still in its queue."""
        for output in list(self._unfinished):
            output.end()
        await asyncio.gather(*(sink.close() for sink in list(self._sinks.values())))


class Output:
    """Of one instance, on its way to a syslog."""

    def __init__(self, syslog: Syslog, source: Source, url: Callable[[], str]) -> None:
        self._syslog, self._source, self._url = syslog, source, url
        self._lines = Lines()
        self._timer: asyncio.TimerHandle | None = None

    def write(self, stream: str, text: str, call_id: str) -> None:
        """A piece of it. Never waits or raises."""
        url = self._url()
        if not url:
            return
        self._syslog.tell(url, self._source, self._lines.feed(stream, text, call_id))
        if self._lines.begun and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LINE_S, self.end)
            self._syslog.unfinished(self, still=True)

    def end(self) -> None:
        """No more of what has begun will come."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._syslog.unfinished(self, still=False)
        if self._lines.begun and (url := self._url()):
            self._syslog.tell(url, self._source, self._lines.rest())


class _Sink:
    """One syslog: its queue, and the task that sends what is in it until there is nothing for a while."""

    def __init__(self, to: Destination, metrics: Metrics) -> None:
        self._to, self._metrics = to, metrics
        self.apps: dict[str, None] = {}
        """Names of the applications whose output it has got."""
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._put_at = 0.0
        self._work = asyncio.Event()
        self._empty = asyncio.Event()
        self._told_off = False
        self._quiet_until = 0.0
        self.task = asyncio.get_running_loop().create_task(self._run())

    @property
    def full(self) -> bool:
        return self._bytes >= QUEUE_BYTES

    def put(self, told: bytes) -> None:
        data = framed(told, self._to)
        self._queue.append(data)
        self._put_at = asyncio.get_running_loop().time()
        self._bytes += len(data)
        self._empty.clear()
        self._work.set()

    async def close(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._empty.wait()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self._metrics.syslog_dropped += len(self._queue)

    async def _run(self) -> None:
        pause_s = _RETRY_S
        while await self._something():
            try:
                async with asyncio.timeout(_CONNECT_S):
                    line = await _connect(self._to)
            except (OSError, UnicodeError) as error:  # the second for a name that no host can have
                self._complain(error)
                if asyncio.get_running_loop().time() - self._put_at > _IDLE_S:
                    break  # nobody sends it anything any more: what is left must not be kept for ever
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _RETRY_MAX_S)
                continue
            try:
                if await self._converse(line):
                    pause_s, self._told_off = _RETRY_S, False
                else:
                    await asyncio.sleep(pause_s)
            finally:
                await line.close()
        self._metrics.syslog_dropped += len(self._queue)
        self._queue.clear()
        self._bytes = 0
        self._empty.set()

    async def _something(self) -> bool:
        """Waits for something to send; false if nothing came for a long while."""
        if not self._queue:
            self._empty.set()
            self._work.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_S):
                    await self._work.wait()
        return bool(self._queue)

    async def _converse(self, line: _Line) -> bool:
        """Send what comes for as long as the syslog takes it; true if it took anything."""
        took = False
        while await self._something():
            if line.ended:
                return took
            batch = self._batch()
            sent = 0
            try:
                async with asyncio.timeout(_SEND_S):
                    sent = await line.send(batch)
            except OSError as error:
                self._complain(error)
                return took
            finally:
                self._metrics.syslog_sent += sent
                self._metrics.syslog_dropped += len(batch) - sent
            took = took or bool(sent)
        return took

    def _batch(self) -> list[bytes]:
        batch, size = [], 0
        while self._queue and size < _BATCH_BYTES:
            batch.append(self._queue.popleft())
            size += len(batch[-1])
        self._bytes -= size
        return batch

    def _complain(self, error: OSError | UnicodeError) -> None:
        now = asyncio.get_running_loop().time()
        # Of UDP the one message goes and the next is refused: it would be told of every other call.
        if not self._told_off and now >= self._quiet_until:
            self._quiet_until = now + _QUIET_S
            why = str(error) or "it takes too long"
            whose = ", ".join(list(self.apps)[:_APPS_SHOWN]) + (", …" if len(self.apps) > _APPS_SHOWN else "")
            log.warning("the syslog %s of application %s cannot be reached: %s", self._to, whose, why)
        self._told_off = True


class _Line(Protocol):
    """A way to a syslog."""

    @property
    def ended(self) -> bool: ...

    async def send(self, batch: list[bytes]) -> int:
        """How many of them went. Raises OSError if it is of no use any more."""
        ...

    async def close(self) -> None: ...


async def _connect(to: Destination) -> _Line:
    """Raises OSError."""
    if to.scheme == "unix":
        return _Stream(*await asyncio.open_unix_connection(to.path))
    if to.scheme == "tcp":
        return _Stream(*await asyncio.open_connection(to.host, to.port))
    if to.scheme == "tcp+tls":
        # Reading all authorities takes a while. SSL_CERT_FILE names others, as for OpenSSL itself.
        context = await asyncio.to_thread(ssl.create_default_context)
        return _Stream(*await asyncio.open_connection(to.host, to.port, ssl=context))
    if to.scheme == "unixgram":
        return _Datagrams(socket.AF_UNIX, to.path)
    found = await asyncio.get_running_loop().getaddrinfo(to.host, to.port, type=socket.SOCK_DGRAM)
    return _Datagrams(found[0][0], found[0][4])


class _Stream:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._listening = asyncio.get_running_loop().create_task(_listen(reader))

    @property
    def ended(self) -> bool:
        return self._listening.done()

    async def send(self, batch: list[bytes]) -> int:
        self._writer.write(b"".join(batch))
        await self._writer.drain()
        return len(batch)

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._writer.close()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._writer.wait_closed()
        except OSError:
            self._writer.transport.abort()


async def _listen(reader: asyncio.StreamReader) -> None:
    """Returns when the other side has ended; a syslog says nothing."""
    with contextlib.suppress(OSError):
        while await reader.read(4096):
            pass


class _Datagrams:
    ended = False

    def __init__(self, family: int, address: str | tuple[object, ...]) -> None:
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise

    async def send(self, batch: list[bytes]) -> int:
        sent = 0
        failed: OSError | None = None
        for data in batch:
            try:
                self._socket.send(data)
                sent += 1
            except OSError as error:  # there is no room, or the one before was refused
                failed = error
        if failed is not None and not sent:
            raise failed
        return sent

    async def close(self) -> None:
        self._socket.close()
