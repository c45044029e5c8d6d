"""The one bridge from sync to async: an event loop in a background thread, one per process.

A kernel's own loop is always running, so nothing here nests loops: streams (events, the lease) live in
this loop, and everything else of the client side is plain blocking code.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.from_thread import BlockingPortal


@dataclass(frozen=True, slots=True)
class _Running:
    portal: BlockingPortal
    thread: threading.Thread


_lock = threading.Lock()
_running: _Running | None = None


def portal() -> BlockingPortal:
    """The process's portal, started on first use and closed when the process ends.

    Tasks that still run then are cancelled. A forked child gets one of its own.
    """
    global _running
    with _lock:
        if _running is None or not _running.thread.is_alive():
            _running = _start()
        return _running.portal


def close() -> None:
    """Cancel what runs in the portal and end its thread. The next :func:`portal` starts another."""
    global _running
    with _lock:
        running, _running = _running, None
    if running is not None and running.thread.is_alive():
        running.portal.call(running.portal.stop, True)
        running.thread.join()


def _start() -> _Running:
    # A daemon thread of our own: the interpreter joins a pool's threads before it runs atexit, and would
    # wait there for a loop that only atexit stops.
    ready: Future[BlockingPortal] = Future()

    async def serve() -> None:
        asyncio.get_running_loop().set_exception_handler(_report)
        async with BlockingPortal() as opened:
            ready.set_result(opened)
            await opened.sleep_until_stopped()

    thread = threading.Thread(target=anyio.run, args=(serve,), name="nbfn-portal", daemon=True)
    thread.start()
    return _Running(ready.result(), thread)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """As always, but for what anyio leaves when a read is cancelled just as its socket has something to read.

    Nothing is lost by it, and asyncio would tell it in the output of whichever cell runs.
    """
    if not isinstance(context.get("exception"), asyncio.InvalidStateError):
        loop.default_exception_handler(context)


def _forget() -> None:
    """In a forked child the thread is gone and the lock may be held by it for ever."""
    global _running, _lock
    _running, _lock = None, threading.Lock()


atexit.register(close)
os.register_at_fork(after_in_child=_forget)
