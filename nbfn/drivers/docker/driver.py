"""Containers as instances of functions."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
from typing import TYPE_CHECKING

import docker

from nbfn.drivers import places
from nbfn.drivers.base import StartFailed
from nbfn.drivers.docker import container
from nbfn.drivers.docker.engine import FAILED, Engine, absent, reason
from nbfn.drivers.docker.images import Images
from nbfn.drivers.docker.instance import DockerInstance, ImageGone, Place
from nbfn.drivers.docker.networks import LINGER_S, NETWORK_LABEL, Networks
from nbfn.drivers.sandbox import leftovers

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from nbfn.config import Settings
    from nbfn.drivers.base import Isolation, OutputStream, StartRequest
    from nbfn.drivers.docker.container import Supplied
    from nbfn.drivers.docker.networks import Seat
    from nbfn.spec import ImageRef, Progress

_log = logging.getLogger(__name__)

FOLDER = "docker"
"""Where, in the state folder, an executor with this driver has been."""
START_TIMEOUT_S = 30.0
# The image and the network of a start may each have gone since they were last looked at.
_ATTEMPTS = 3
# A layer is told of hundreds of times while it comes.
_PROGRESS_S = 0.2


class DockerDriver:
    """Runs images of ``settings.images``, of the daemon, and of registries that it pulls from.

    Raises:
        ExecutorError: no daemon answers; says why and what to do.
    """

    name = "docker"

    def __init__(
        self,
        settings: Settings,
        *,
        start_timeout_s: float = START_TIMEOUT_S,
        network_linger_s: float = LINGER_S,
    ) -> None:
        self._engine = Engine()
        # Beside the sandbox's, which takes whatever is in its own for instances.
        self._run = places.run_folder(settings).with_name("ctr")
        self._start_timeout_s = start_timeout_s
        self._state = str(settings.state)
        scratch = settings.state / FOLDER
        scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        mark = hashlib.sha256(os.fsencode(settings.state)).hexdigest()[:12]
        self._images = Images(self._engine, settings.images, scratch, mark)
        self.networks = Networks(
            self._engine, self._state, self._images.repository, linger_s=network_linger_s
        )
        self._alive: set[str] = set()
        self._lost: set[str] = set()
        self.isolation: Isolation = self._engine.isolation()

    async def prepare(self, image: ImageRef, progress: Progress | None = None) -> None:
        await self._supply(image, progress)

    async def start(
        self, request: StartRequest, on_output: Callable[[OutputStream, bytes], None]
    ) -> DockerInstance:
        if self._lost:
            await self._remove_lost()
        for _ in range(_ATTEMPTS):
            image = await self._supply(request.image)
            seat = self.networks.join(request)
            instance = self._instance(request, image, on_output, seat)
            try:
                await instance.ready(self._start_timeout_s)
            except ImageGone as error:  # somebody has removed it: once more from the beginning
                self._images.forget(request.image)
                failed = StartFailed("image", str(error))
            except BaseException as error:
                await _to_the_end(instance.stop())
                if not isinstance(error, StartFailed) or error.stage != "start":
                    raise
                if not await self.networks.has_gone(seat):
                    raise
                failed = error  # for its network had gone: once more without
            else:
                self.networks.want(seat)
                return instance
        raise failed

    async def sweep(self) -> int:
        return await self._engine.run(self._sweep)

    async def close(self) -> None:
        """The guard has stopped the instances."""
        await self.networks.close()
        if self._run.is_dir() and not any(self._run.iterdir()):
            self._run.rmdir()
        self._engine.close()

    async def _supply(self, image: ImageRef, progress: Progress | None = None) -> Supplied:
        loop = asyncio.get_running_loop()
        next_at = 0.0

        def tell(what: str, done: int, total: int) -> None:
            nonlocal next_at
            now = time.monotonic()
            if progress is not None and (now >= next_at or done == total):
                next_at = now + _PROGRESS_S
                loop.call_soon_threadsafe(progress, what, done, total)

        return await self._engine.run(self._images.supply, image, tell)

    def _instance(
        self,
        request: StartRequest,
        image: Supplied,
        on_output: Callable[[OutputStream, bytes], None],
        seat: Seat,
    ) -> DockerInstance:
        place = Place(self._run / request.instance_id)
        try:
            places.make_private(self._run)
            place.folder.mkdir(mode=0o700, exist_ok=True)
            place.iofs.mkdir(exist_ok=True)
            place.iofs.chmod(0o777)  # whoever the image's user is; nobody else gets past the folder above
        except OSError as error:
            leftovers.remove(place.folder)
            self.networks.leave(seat)
            raise StartFailed("start", f"no folder for it: {error}") from error
        labels = {container.STATE_LABEL: self._state}
        config = container.config(
            request, image, place.iofs, network=seat.mode, labels=labels, ulimits=self._engine.ulimits
        )
        instance = DockerInstance(self._engine, request, place, config, on_output)
        self._alive.add(request.instance_id)
        instance.on_end(lambda: self._ended(instance, seat))
        return instance

    def _ended(self, instance: DockerInstance, seat: Seat) -> None:
        self._alive.discard(instance.id)
        self.networks.leave(seat)
        if instance.lost:
            self._lost.add(instance.container)

    async def _remove_lost(self) -> None:
        """What ran on when the daemon went away: it may be back."""
        try:
            await self._engine.run(self._remove, self._lost.copy())
        except FAILED as error:
            _log.warning("%d containers stay for now: %s", len(self._lost), reason(error))

    def _sweep(self) -> int:
        try:
            labels = {"label": f"{container.STATE_LABEL}={self._state}"}
            found = self._engine.api.containers(all=True, filters=labels)
            dead = {
                one["Id"]: one["Labels"].get(container.INSTANCE_LABEL, "")
                for one in found
                if one["Labels"].get(container.INSTANCE_LABEL, "") not in self._alive
                and NETWORK_LABEL not in one["Labels"]
            }
            self._remove(set(dead))
            self.networks.sweep()
            self._images.sweep()
        except FAILED as error:
            _log.warning("leftovers stay until the next start: %s", reason(error))
            return 0
        folders = self._run.iterdir() if self._run.is_dir() else ()
        for folder in folders:
            if folder.name not in self._alive:
                leftovers.remove(folder)
        return len(dead)

    def _remove(self, names: set[str]) -> None:
        for name in names:
            try:
                self._engine.api.remove_container(name, v=True, force=True)
            except docker.errors.APIError as error:
                if not absent(error):
                    raise
            self._lost.discard(name)


async def _to_the_end(stopping: Coroutine[object, object, object]) -> None:
    """Wait for it even if this task is cancelled meanwhile (again)."""
    task = asyncio.ensure_future(stopping)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
