"""The executor as a process: made from its parts, run until it is stopped or left alone, taken apart."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import uvloop

from nbfn import __version__
from nbfn.drivers import make_driver
from nbfn.executor import folder
from nbfn.executor.assembly import Assembly, assembled
from nbfn.executor.listen import Listener, bound, url_of
from nbfn.executor.streams import first_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from socket import socket

    from nbfn.config import Settings

    OnListening = Callable[[Mapping[str, object]], None]

log = logging.getLogger(__name__)

API = 1
_TAKE_DOWN_S = 10.0
# Whoever started it may need this long to come, on a machine that has much else to do.
_FIRST_USER_S = 10.0


def run(settings: Settings, *, linger: float | None, on_listening: OnListening | None) -> None:
    """See :func:`nbfn.executor.serve`."""
    folder.private_folder(settings.state)
    with folder.executor_lock(settings), ExitStack() as stack:
        folder.socket_folder(settings)
        token = folder.load_token(settings.token_file)
        sockets = stack.enter_context(bound(settings.socket, settings.host, settings.port))
        process = _Process(settings, token, sockets)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(process.run(linger, on_listening))


class _Process:
    def __init__(self, settings: Settings, token: str, sockets: list[socket]) -> None:
        self._settings = settings
        self._token = token
        self._sockets = sockets
        self._grace_s: float | None = None
        self._stop_asked = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self, linger: float | None, on_listening: OnListening | None) -> None:
        driver = make_driver(self._settings)
        if swept := await driver.sweep():
            log.info("removed %d instances that a killed executor left", swept)
        note = {
            "pid": os.getpid(),
            "version": __version__,
            "api": API,
            "socket": str(self._settings.socket),
            "url": url_of(self._sockets),
            "started_at": time.time(),
        }
        async with assembled(
            self._settings,
            driver,
            token=self._token,
            note=note,
            stop=self._stop,
            stopping=self._stop_asked,
        ) as parts:
            listener = Listener(parts.app)
            await listener.start(self._sockets)
            self._handle_signals()
            gc.collect()
            gc.freeze()  # what is here now stays: no collection need look at it again
            try:
                with folder.note(self._settings, note):
                    log.info("listening on %s and %s", note["socket"], note["url"])
                    if on_listening is not None:
                        on_listening(note)
                    await self._until_stopped(linger, parts)
            finally:
                await self._take_down(listener, parts)

    def _stop(self, grace_s: float | None) -> None:
        if self._stop_asked.is_set():
            if grace_s == 0:
                self._hurry.set()
            return
        self._grace_s = grace_s
        self._stop_asked.set()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._signalled)

    def _signalled(self) -> None:
        if self._stop_asked.is_set():
            self._hurry.set()  # asked twice: whoever does that does not want to wait
        self._stop_asked.set()

    async def _until_stopped(self, linger: float | None, parts: Assembly) -> None:
        if linger is None:
            await self._stop_asked.wait()
            return
        pool, leases = parts.pool, parts.leases
        left_alone = time.monotonic()
        while not self._stop_asked.is_set():
            if leases.open or pool.calls:
                timeout = None
                left_alone = time.monotonic()
            else:
                last_use = max(leases.last_end, pool.last_call)
                left_alone = max(left_alone, last_use)
                patience = linger if last_use else max(linger, _FIRST_USER_S)
                timeout = patience - (time.monotonic() - left_alone)
                if timeout <= 0:
                    log.info("no lease and no call for %g s: stopping", patience)
                    return
            leases.changed.clear()
            signs: list[Coroutine[object, object, object]] = [
                self._stop_asked.wait(),
                leases.changed.wait(),
            ]
            if pool.calls and not leases.open:
                signs.append(pool.no_calls())
            await first_of(*signs, timeout=timeout)

    async def _take_down(self, listener: Listener, parts: Assembly) -> None:
        """Calls first, then instances, then streams and connections; the last records come after.

        Each call has a timeout, so they end by themselves; only they are waited for without a limit.
        """
        self._stop_asked.set()
        pool = parts.pool
        listener.refuse()
        self._settings.socket.unlink(missing_ok=True)
        if count := pool.census().running.total():
            most = "until their timeouts" if self._grace_s is None else f"for {self._grace_s:g} s"
            log.info("stopping: waiting for calls that run (%d), %s at most", count, most)
            log.info("Ctrl+C, SIGTERM or `nbfn stop` once more cuts them off")
        closing = asyncio.ensure_future(pool.close(self._grace_s))
        await asyncio.sleep(0)  # by now it has refused the calls that wait for an instance
        await first_of(self._hurry.wait(), pool.no_calls(), timeout=self._grace_s)
        pool.give_up()
        if count:
            log.info("calls that were cut off: %d", pool.cut_off)
        done, _ = await asyncio.wait({closing}, timeout=_TAKE_DOWN_S)
        if done:
            closing.result()
        else:
            log.error("instances did not end within %g s; the next start sweeps them", _TAKE_DOWN_S)
            closing.cancel()
        await listener.close()
