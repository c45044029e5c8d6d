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
from starlette.applications import Starlette

from nbfn import __version__
from nbfn.drivers import make_driver
from nbfn.executor import folder, gateway
from nbfn.executor.api import FnApi
from nbfn.executor.catalog import Catalog
from nbfn.executor.events import Events
from nbfn.executor.guard import Guard
from nbfn.executor.listen import Listener, bound, url_of
from nbfn.executor.machine import memory_budget_mb
from nbfn.executor.own import GRACE_S, OwnApi
from nbfn.executor.pool import Pool
from nbfn.executor.records import Recorder
from nbfn.executor.replies import HANDLERS
from nbfn.executor.store import StoreThread
from nbfn.executor.streams import Leases, first_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from socket import socket

    from starlette.types import ASGIApp, Receive, Scope, Send

    from nbfn.config import Settings

    OnListening = Callable[[Mapping[str, object]], None]

log = logging.getLogger(__name__)

API = 1
_TAKE_DOWN_S = 10.0


def run(settings: Settings, *, linger: float | None, on_listening: OnListening | None) -> None:
    """See :func:`nbfn.executor.serve`."""
    folder.private_folder(settings.state)
    with folder.executor_lock(settings), ExitStack() as stack:
        if settings.socket.parent != settings.state and not settings.socket.parent.exists():
            folder.private_folder(settings.socket.parent)
        elif settings.socket.parent.name.startswith(f"nbfn-{os.getuid()}-"):
            folder.private_folder(settings.socket.parent)  # in /tmp, where anybody may have made it first
        folder.private_folder(settings.run)
        token = folder.load_token(settings.token_file)
        sockets = stack.enter_context(bound(settings.socket, settings.host, settings.port))
        executor = _Executor(settings, token, sockets)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(executor.run(linger, on_listening))


class _Executor:
    def __init__(self, settings: Settings, token: str, sockets: list[socket]) -> None:
        self._settings = settings
        self._token = token
        self._sockets = sockets
        self._grace_s = GRACE_S
        self._stop_asked = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self, linger: float | None, on_listening: OnListening | None) -> None:
        settings = self._settings
        started_at = time.time()
        store = StoreThread(settings.state / "nbfn.db")
        try:
            driver = make_driver(settings)
            if swept := await driver.sweep():
                log.info("removed %d instances that a killed executor left", swept)
            events, recorder, leases = Events(), Recorder(store), Leases()
            pool = Pool(driver, events, recorder, settings.memory_mb or memory_budget_mb())
            catalog = Catalog(store, pool, events)
            await catalog.load()
            note = {
                "pid": os.getpid(),
                "version": __version__,
                "api": API,
                "socket": str(settings.socket),
                "url": url_of(self._sockets),
                "started_at": started_at,
            }
            isolation = driver.isolation
            own = OwnApi(
                catalog=catalog,
                pool=pool,
                events=events,
                recorder=recorder,
                leases=leases,
                info={
                    **note,
                    "state": str(settings.state),
                    "images": str(settings.images),
                    "driver": driver.name,
                    "isolation": {
                        "tier": isolation.tier,
                        "mechanisms": list(isolation.mechanisms),
                        "missing": list(isolation.missing),
                    },
                    "memory_mb": pool.memory_mb,
                },
                stop=self.stop,
                stopping=self._stop_asked,
            )
            app = make_app(settings, self._token, FnApi(catalog), own, pool)
            listener = Listener(app)
            await listener.start(self._sockets)
            self._handle_signals()
            gc.collect()
            gc.freeze()  # what is here now stays: no collection need look at it again
            try:
                with folder.note(settings, note):
                    log.info("listening on %s and %s", settings.socket, note["url"])
                    if on_listening is not None:
                        on_listening(note)
                    await self._until_stopped(linger, pool, leases)
            finally:
                await self._take_down(listener, pool, recorder)
        finally:
            store.close()

    def stop(self, grace_s: float) -> None:
        """End, after letting calls finish for so long."""
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

    async def _until_stopped(self, linger: float | None, pool: Pool, leases: Leases) -> None:
        if linger is None:
            await self._stop_asked.wait()
            return
        left_alone = time.monotonic()
        while not self._stop_asked.is_set():
            if leases.open or pool.calls:
                timeout = None
                left_alone = time.monotonic()
            else:
                left_alone = max(left_alone, pool.last_call)
                timeout = linger - (time.monotonic() - left_alone)
                if timeout <= 0:
                    log.info("no lease and no call for %g s: stopping", linger)
                    return
            leases.changed.clear()
            signs: list[Coroutine[object, object, object]] = [self._stop_asked.wait(), leases.changed.wait()]
            if pool.calls and not leases.open:
                signs.append(pool.no_calls())
            await first_of(*signs, timeout=timeout)

    async def _take_down(self, listener: Listener, pool: Pool, recorder: Recorder) -> None:
        """Calls first, then instances, then streams and connections, then the last records."""
        self._stop_asked.set()
        listener.refuse()
        self._settings.socket.unlink(missing_ok=True)
        hurry = asyncio.ensure_future(self._hurry.wait())
        closing = asyncio.ensure_future(pool.close(self._grace_s))
        await asyncio.wait({hurry, closing}, return_when=asyncio.FIRST_COMPLETED)
        if not closing.done():
            pool.give_up()
        hurry.cancel()
        _, late = await asyncio.wait({closing}, timeout=_TAKE_DOWN_S)
        if late:
            log.error("instances did not end within %g s; the next start sweeps them", _TAKE_DOWN_S)
            closing.cancel()
        await listener.close()
        await recorder.flush()


def make_app(settings: Settings, token: str, fn_api: FnApi, own: OwnApi, pool: Pool) -> ASGIApp:
    """The whole application: the guard before everything, calls past Starlette."""
    control = Starlette(routes=[*fn_api.routes(), *own.routes()], exception_handlers=HANDLERS)
    control.router.redirect_slashes = False
    invoke = gateway.Gateway(pool)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(gateway.PREFIX):
            await invoke(scope, receive, send)
        else:
            await control(scope, receive, send)

    return Guard(app, token=token, token_file=settings.token_file, host=settings.host)
