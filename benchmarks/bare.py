"""A proxy in Python that does nothing else: how much of a warm call is the second hop alone."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import httptools
import uvloop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "a proxy of uvloop and httptools alone"


@contextmanager
def proxy(behind: Path, at: Path) -> Iterator[Path]:
    """A process that listens ``at`` and passes on to the socket ``behind``."""
    command = [sys.executable, "-m", "benchmarks.bare", str(behind), str(at)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield at
        finally:
            process.kill()


class _Side(asyncio.Protocol):
    """Reads the heads of messages as every proxy must, and passes on the bytes as they came."""

    def __init__(self, parser: type[httptools.HttpRequestParser | httptools.HttpResponseParser]) -> None:
        self._parser = parser(self)
        self.other: _Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        assert self.other is not None
        self.other.transport.write(data)

    def on_header(self, name: bytes, value: bytes) -> None: ...

    def on_body(self, data: bytes) -> None: ...

    def on_message_complete(self) -> None: ...


async def _serve(behind: str, at: str) -> None:
    loop = asyncio.get_running_loop()
    _, back = await loop.create_unix_connection(lambda: _Side(httptools.HttpResponseParser), behind)

    def accepted() -> _Side:
        front = _Side(httptools.HttpRequestParser)
        front.other, back.other = back, front
        return front

    server = await loop.create_unix_server(accepted, at)
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(*sys.argv[1:]))
