"""One wrapper around every driver: what each would otherwise have to get right by itself.

* ``stop`` may be called twice, at once, cancelled, or after the end: it is carried out once.
* ``wait`` may be called by many, before or after the end.
* ``on_output`` may raise: the function's output is then lost, not the executor.
* an image is prepared once, however many starts ask for it at the same time; none waits for ever.
* ``close`` ends starts that are under way and every instance, and nothing starts afterwards.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from nbfn.drivers.base import StartFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbfn.drivers.base import (
        Driver,
        Exit,
        Instance,
        Isolation,
        OutputStream,
        StartRequest,
        Usage,
    )
    from nbfn.spec import ImageRef, Progress

_log = logging.getLogger(__name__)

IMAGE_S = 600.0
"""How long a start waits for its image, as in Fn."""


class GuardedInstance:
    """An :class:`nbfn.drivers.base.Instance` whose end is awaited in one place."""

    def __init__(self, inner: Instance) -> None:
        self._inner = inner
        self._end = asyncio.ensure_future(inner.wait())
        self._stop: asyncio.Task[Exit] | None = None

    def __repr__(self) -> str:
        return f"<instance {self.id}{' ended' if self._end.done() else ''}>"

    @property
    def id(self) -> str:
        return self._inner.id

    @property
    def socket(self) -> Path:
        return self._inner.socket

    @property
    def ended(self) -> bool:
        """True once it has ended, however it did."""
        return self._end.done()

    async def wait(self) -> Exit:
        return await asyncio.shield(self._end)

    async def stop(self, grace_s: float = 0.0) -> Exit:
        if self._end.done():
            return self._end.result()
        if self._stop is None:
            self._stop = asyncio.create_task(self._inner.stop(grace_s))
        elif not self._stop.done():
            # Somebody is stopping it already, maybe with more patience than this caller has.
            await asyncio.wait({self._end}, timeout=grace_s)
            if not self._end.done():
                self._stop = asyncio.create_task(_after(self._stop, self._inner))
        await asyncio.shield(self._stop)
        return await self.wait()

    def usage(self) -> Usage:
        return self._inner.usage()

    def on_end(self, tell: Callable[[GuardedInstance], None]) -> None:
        """Call ``tell`` from the event loop when it has ended."""
        self._end.add_done_callback(lambda _: tell(self))


class Guarded:
    """A :class:`nbfn.drivers.base.Driver` around another."""

    def __init__(self, inner: Driver, *, image_s: float = IMAGE_S) -> None:
        self._inner = inner
        self._image_s = image_s
        self._instances: set[GuardedInstance] = set()
        self._starts: set[asyncio.Task[Instance]] = set()
        self._preparing: dict[ImageRef, asyncio.Task[None]] = {}
        self._closed = False

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def isolation(self) -> Isolation:
        return self._inner.isolation

    @property
    def instances(self) -> frozenset[GuardedInstance]:
        """Those that run now."""
        return frozenset(self._instances)

    async def prepare(self, image: ImageRef, progress: Progress | None = None) -> None:
        """Of several who prepare it at once, only the first is told how far it is."""
        task = self._preparing.get(image)
        if task is None:
            task = self._preparing[image] = asyncio.create_task(self._inner.prepare(image, progress))
            task.add_done_callback(lambda done: self._prepared(image, done))
        await asyncio.shield(task)

    async def start(
        self, request: StartRequest, on_output: Callable[[OutputStream, bytes], None]
    ) -> GuardedInstance:
        self._refuse_if_closed()
        await self._image(request.image)
        self._refuse_if_closed()
        task = asyncio.create_task(self._inner.start(request, _Harmless(on_output)))
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)
        try:
            inner = await asyncio.shield(task)
        except asyncio.CancelledError:
            await _cancel(task)
            if self._closed and not _is_cancelled():
                raise StartFailed("start", "the driver is closed") from None
            raise
        instance = GuardedInstance(inner)
        self._instances.add(instance)
        instance.on_end(self._instances.discard)
        if self._closed:
            await instance.stop()
            raise StartFailed("start", "the driver is closed")
        return instance

    async def sweep(self) -> int:
        return await self._inner.sweep()

    async def close(self) -> None:
        self._closed = True
        await asyncio.gather(*(_cancel(task) for task in self._starts))
        await asyncio.gather(*(instance.stop() for instance in self._instances))
        await asyncio.gather(*self._preparing.values(), return_exceptions=True)
        await self._inner.close()

    async def _image(self, image: ImageRef) -> None:
        """Wait for it, so long. It is fetched on: whoever comes later has less to wait for."""
        try:
            async with asyncio.timeout(self._image_s) as limit:
                await self.prepare(image)
        except TimeoutError:
            if not limit.expired():
                raise
            hint = "it is still being fetched: call again later, or look at the network and the registry"
            raise StartFailed("late", f"{image} was not here after {self._image_s:g} s", hint=hint) from None

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StartFailed("start", "the driver is closed")

    def _prepared(self, image: ImageRef, done: asyncio.Task[None]) -> None:
        self._preparing.pop(image, None)
        if not done.cancelled():
            done.exception()  # looked at, so that nobody warns when every caller was cancelled


class _Harmless:
    """Calls ``on_output``; says once if it raises."""

    def __init__(self, on_output: Callable[[OutputStream, bytes], None]) -> None:
        self._on_output = on_output
        self._said = False

    def __call__(self, stream: OutputStream, data: bytes) -> None:
        try:
            self._on_output(stream, data)
        except Exception:
            if not self._said:
                self._said = True
                _log.exception("output of an instance was lost")


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return bool(task and task.cancelling())


async def _after(stopping: asyncio.Task[Exit], inner: Instance) -> Exit:
    """Stop ``inner`` at once, in place of the patient stop that is under way."""
    end = await inner.stop(0.0)
    await stopping
    return end


async def _cancel(task: asyncio.Task[Instance]) -> None:
    """Cancel a start and wait until nothing of it is left, whoever cancels the waiting."""
    task.cancel()
    interrupted = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            interrupted = True
    if not task.cancelled() and task.exception() is None:
        await GuardedInstance(task.result()).stop()  # it came up in that very moment
    if interrupted:
        raise asyncio.CancelledError
