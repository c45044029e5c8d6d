"""The sandbox for what it can run, Docker for the rest: chosen image by image."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nbfn.drivers.base import StartFailed
from nbfn.errors import NbfnError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbfn.drivers.base import Driver, Instance, Isolation, OutputStream, StartRequest
    from nbfn.spec import ImageRef, Progress


class AutoDriver:
    """``sandbox``, and the driver that ``make_docker`` makes when the first image needs it.

    ``used`` is where that driver keeps what it has to clean up; if it is there, so may leftovers be.
    """

    name = "auto"

    def __init__(self, sandbox: Driver, make_docker: Callable[[], Driver], used: Path) -> None:
        self._sandbox = sandbox
        self._make_docker = make_docker
        self._used = used
        self._docker: Driver | None = None
        self._making = asyncio.Lock()
        self._contained: set[ImageRef] = set()

    @property
    def isolation(self) -> Isolation:
        """Of the sandbox, which runs what it can."""
        return self._sandbox.isolation

    async def prepare(self, image: ImageRef, progress: Progress | None = None) -> None:
        try:
            await self._sandbox.prepare(image, progress)
        except StartFailed as refused:
            if refused.stage != "image":
                raise
            await self._contain(image, progress, refused)
        else:
            self._contained.discard(image)

    async def start(
        self, request: StartRequest, on_output: Callable[[OutputStream, bytes], None]
    ) -> Instance:
        driver = self._sandbox
        if request.image in self._contained and self._docker is not None:
            driver = self._docker
        return await driver.start(request, on_output)

    async def sweep(self) -> int:
        swept = await self._sandbox.sweep()
        if self._docker is None and self._used.is_dir():
            try:
                await self._with_docker()
            except NbfnError:  # it is not running, and neither is what it left
                return swept
        return swept + (await self._docker.sweep() if self._docker is not None else 0)

    async def close(self) -> None:
        await self._sandbox.close()
        if self._docker is not None:
            await self._docker.close()

    async def _contain(self, image: ImageRef, progress: Progress | None, refused: StartFailed) -> None:
        """Have Docker prepare what the sandbox refused.

        Raises:
            StartFailed: it cannot either; says why of both.
        """
        try:
            docker = await self._with_docker()
            await docker.prepare(image, progress)
        except NbfnError as error:
            if error.message == refused.message:  # it is nowhere
                raise refused from None
            message = f"{refused.message}; nor in a container: {error.message}"
            raise StartFailed("image", message, hint=error.hint or refused.hint) from error
        self._contained.add(image)

    async def _with_docker(self) -> Driver:
        async with self._making:
            if self._docker is None:
                self._docker = await asyncio.to_thread(self._make_docker)
            return self._docker
