"""The sandbox: instances as confined processes of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.containerize import Layout
from nbfn.drivers.base import StartFailed
from nbfn.drivers.sandbox import image as images
from nbfn.drivers.sandbox import interpreter, leftovers, plans
from nbfn.drivers.sandbox.instance import SandboxInstance
from nbfn.drivers.sandbox.probe import probe
from nbfn.drivers.sandbox.spawn import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from nbfn.config import Settings
    from nbfn.drivers.base import Isolation, OutputStream, StartRequest
    from nbfn.drivers.sandbox.confine.plan import Plan
    from nbfn.drivers.sandbox.image import Program
    from nbfn.spec import ImageRef

START_TIMEOUT_S = 30.0
# What an instance's socket adds to the run folder: /ID/iofs/phonylsnr.sock, of the 107 that fit.
_RUN_PATH_MAX = 107 - len("/01M86QQYZ5R00040J6M0000001/iofs/phonylsnr.sock")


class SandboxDriver:
    """Runs images from ``settings.images``, unpacked to ``STATE/layers``."""

    name = "sandbox"

    def __init__(self, settings: Settings, *, start_timeout_s: float = START_TIMEOUT_S) -> None:
        self._layout = Layout(settings.images)
        self._layers = settings.state / "layers"
        self._settings_run = settings.run
        self._run = run_folder(settings)
        self._start_timeout_s = start_timeout_s
        self._interpreter = interpreter.base()
        self._programs: dict[ImageRef, Program] = {}
        self._alive: set[str] = set()
        self.isolation: Isolation = probe(self._interpreter, settings.tier or "T2")

    async def prepare(self, image: ImageRef) -> None:
        await self._program(image)

    async def start(
        self, request: StartRequest, on_output: Callable[[OutputStream, bytes], None]
    ) -> SandboxInstance:
        program = await self._program(request.image)
        place = plans.Place(self._run / request.instance_id)
        plan = plans.make(program, request, self.isolation.tier, self._interpreter, place)
        self._alive.add(request.instance_id)
        try:
            instance = self._spawn(plan, place, request, on_output)
        except OSError as error:
            self._alive.discard(request.instance_id)
            leftovers.remove(place.folder)
            raise StartFailed("start", f"no process for it: {error}") from error
        instance.on_end(lambda: self._alive.discard(request.instance_id))
        try:
            await instance.ready(self._start_timeout_s)
        except BaseException:
            await _to_the_end(instance.stop())
            raise
        return instance

    async def sweep(self) -> int:
        return await asyncio.to_thread(leftovers.sweep, self._run, frozenset(self._alive))

    async def close(self) -> None:
        """Nothing is held between instances; the guard has stopped those."""
        self._programs.clear()
        with contextlib.suppress(OSError):  # not made, or not empty: somebody else's, then
            self._run.rmdir()
            if self._run != self._settings_run:
                self._run.parent.rmdir()

    def _spawn(
        self,
        plan: Plan,
        place: plans.Place,
        request: StartRequest,
        on_output: Callable[[OutputStream, bytes], None],
    ) -> SandboxInstance:
        _make_private(self._run)
        place.folder.mkdir(mode=0o700)
        for folder in (place.iofs, place.temporary, place.mountpoint):
            folder.mkdir(mode=0o700)
        if plan["root"] and os.geteuid() == 0:
            os.chown(place.iofs, plan["uid"], plan["gid"])
        supervisor = spawn(plan, request.instance_id, self._interpreter)
        return SandboxInstance(request.instance_id, place, supervisor, request.limits.memory_mb, on_output)

    async def _program(self, ref: ImageRef) -> Program:
        program = self._programs.get(ref)
        if program is None:
            program = await asyncio.to_thread(images.load, self._layout, ref, self._layers)
            if ref.digest:  # a tag may come to mean another image
                self._programs[ref] = program
        return program


def run_folder(settings: Settings) -> Path:
    """``settings.run``, or a folder with a path short enough for the sockets of instances in it."""
    if len(os.fsencode(settings.run)) <= _RUN_PATH_MAX:
        return settings.run
    mark = hashlib.sha256(os.fsencode(settings.run)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"nbfn-{os.getuid()}-{mark}" / "run"


def _make_private(folder: Path) -> None:
    """Make ``folder`` for this user alone.

    Raises:
        OSError: it belongs to somebody else, who may have put it there to look in.
    """
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)
    for path in (folder.parent, folder):
        if path.stat().st_uid != os.geteuid():
            raise OSError(f"{path} belongs to user {path.stat().st_uid}, not to {os.geteuid()}")


async def _to_the_end(stopping: Coroutine[object, object, object]) -> None:
    """Wait for it even if this task is cancelled meanwhile (again)."""
    task = asyncio.ensure_future(stopping)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
