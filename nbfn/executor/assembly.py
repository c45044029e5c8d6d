"""The executor's parts put together around a driver: for a process to serve, for tests to run."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from nbfn.errors import StateError
from nbfn.executor import gateway
from nbfn.executor.api import FnApi
from nbfn.executor.catalog import Catalog
from nbfn.executor.detached import Results
from nbfn.executor.events import Events
from nbfn.executor.front import Front
from nbfn.executor.guard import Guard
from nbfn.executor.images import Images
from nbfn.executor.machine import memory_budget_mb
from nbfn.executor.metrics import Metrics
from nbfn.executor.own import OwnApi
from nbfn.executor.pool import Pool
from nbfn.executor.records import Recorder
from nbfn.executor.replies import HANDLERS, Metered
from nbfn.executor.store import StoreThread
from nbfn.executor.streams import Leases
from nbfn.executor.syslog import Syslog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from nbfn.config import Settings
    from nbfn.drivers.base import Driver

log = logging.getLogger(__name__)

# How long after its start, and then how often, an executor looks for images that nothing needs.
_FIRST_SWEEP_S = 5.0
_SWEEP_S = 3600.0


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts that whoever runs them deals with."""

    app: Front
    catalog: Catalog
    pool: Pool
    events: Events
    recorder: Recorder
    leases: Leases
    routes: frozenset[tuple[str, str]]
    """Paths and methods of the control plane."""


@asynccontextmanager
async def assembled(
    settings: Settings,
    driver: Driver,
    *,
    token: str,
    note: Mapping[str, object],
    stop: Callable[[float | None], None],
    stopping: asyncio.Event,
) -> AsyncIterator[Assembly]:
    """Everything between the listeners and the driver; records are written and the store closed at the end.

    ``note`` is what ``executor.json`` says. ``stop`` is asked to end it all, calls within so many seconds or
    (None) their own timeouts, and ``stopping`` is set when that begins. Closing the pool is up to the caller,
    who knows for how long calls may go on.

    Raises:
        StateError: the database cannot be used.
    """
    store, metrics = StoreThread(settings.state / "nbfn.db"), Metrics()
    syslog = Syslog(metrics)
    sweeping: asyncio.Task[None] | None = None
    try:
        events, leases = Events(), Leases()
        recorder = Recorder(store, metrics)
        memory_mb = settings.memory_mb or memory_budget_mb()
        pool = Pool(driver, events, recorder, memory_mb, metrics, syslog)
        catalog = Catalog(store, pool, events, Images(settings.images))
        await _finish_killed(store)
        await catalog.load()
        sweeping = asyncio.create_task(_sweep_images(catalog))
        results = Results()
        own = OwnApi(
            catalog=catalog,
            pool=pool,
            events=events,
            recorder=recorder,
            leases=leases,
            results=results,
            metrics=metrics,
            info={**note, **_description(settings, driver), "memory_mb": pool.memory_mb},
            stop=stop,
            stopping=stopping,
        )
        routes = [*FnApi(catalog).routes(), *own.routes()]
        control = Starlette(routes=routes, exception_handlers=HANDLERS)
        control.router.redirect_slashes = False
        door = Guard(token=token, token_file=settings.token_file, host=settings.host)
        calls = gateway.Gateway(pool, catalog, Metered(control, metrics), results, recorder)
        app = Front(door, calls.exchange, calls.tasks)
        ways = frozenset((each.path, how) for each in routes for how in each.methods or () if how != "HEAD")
        yield Assembly(app, catalog, pool, events, recorder, leases, ways)
        await recorder.flush()
    finally:
        if sweeping is not None:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)
        await syslog.close()
        store.close()


async def _finish_killed(store: StoreThread) -> None:
    try:
        await store.run(lambda kept: kept.finish_killed())
    except StateError as error:
        # A full disk, say: calls can be served all the same, and a later start finishes these.
        log.warning("calls that a killed executor left stay unfinished: %s", error)


async def _sweep_images(catalog: Catalog) -> None:
    """Not at once: whoever started it wants something else first."""
    await asyncio.sleep(_FIRST_SWEEP_S)
    while True:
        try:
            await catalog.sweep_images()
        except StateError as error:
            log.warning("images that nothing needs stay: %s", error)
        await asyncio.sleep(_SWEEP_S)


def _description(settings: Settings, driver: Driver) -> dict[str, object]:
    isolation = driver.isolation
    return {
        "state": str(settings.state),
        "images": str(settings.images),
        "driver": driver.name,
        "isolation": {
            "tier": isolation.tier,
            "mechanisms": list(isolation.mechanisms),
            "missing": list(isolation.missing),
        },
    }
