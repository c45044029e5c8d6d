"""The sandbox: instances as confined processes of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import socket
from typing import TYPE_CHECKING

from nbfn.containerize import Layout, sweep_unpacked
from nbfn.drivers.base import StartFailed, StartRequest
from nbfn.drivers.sandbox import ground, interpreter, leftovers, plans
from nbfn.drivers.sandbox import image as images
from nbfn.drivers.sandbox.cgroups import Groups, Unavailable
from nbfn.drivers.sandbox.instance import SandboxInstance
from nbfn.drivers.sandbox.probe import layered, limited, probe, with_user
from nbfn.drivers.sandbox.spawn import spawn
from nbfn.drivers.sandbox.strain import Strain, strain_of
from nbfn.drivers.sandbox.zygotes import Zygotes
from nbfn.spec import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from nbfn.config import Settings
    from nbfn.drivers.base import Isolation, OutputStream
    from nbfn.drivers.sandbox.cgroups import Group
    from nbfn.drivers.sandbox.confine.plan import HostUser
    from nbfn.drivers.sandbox.image import Program
    from nbfn.drivers.sandbox.supervisor import Supervisor
    from nbfn.spec import ImageRef, Progress

_log = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
_BACKLOG = 64
# Stem cells grow when the instance that took one has come up, not while it does.
_REFILL_S = 0.01


class SandboxDriver:
    """Runs images from ``settings.images``, unpacked to ``STATE/layers``."""

    name = "sandbox"

    def __init__(self, settings: Settings, *, start_timeout_s: float = START_TIMEOUT_S) -> None:
        self._layout = Layout(settings.images)
        self._settings_run = settings.run
        self._start_timeout_s = start_timeout_s
        self._interpreter = interpreter.base()
        self._programs: dict[ImageRef, Program] = {}
        self._alive: set[str] = set()
        self._groups, why = _find_groups(settings, self._interpreter)
        found = limited(
            probe(self._interpreter, settings.tier or "T2"), self._groups.version if self._groups else why
        )
        self._ground, why = ground.find(settings, found.tier, self._interpreter)
        self.isolation: Isolation = with_user(found, self._ground, why)
        self._zygotes = Zygotes(
            self.isolation.tier,
            self._interpreter,
            self._ground,
            settings.zygotes,
            groups=self._groups,
        )

    async def prepare(self, image: ImageRef, progress: Progress | None = None) -> None:
        """Unpack it, and have its libraries imported where a zygote can be had."""
        program = await self._program(image)
        plans.check(program, self.isolation.tier, self._interpreter)
        strain = strain_of(program, StartRequest("", image, Limits()))
        if isinstance(strain, Strain):
            zygote = await self._zygotes.warm(strain)
            if zygote:
                zygote.show(program.layers[-1])

    async def start(
        self, request: StartRequest, on_output: Callable[[OutputStream, bytes], None]
    ) -> SandboxInstance:
        program = await self._program(request.image)
        if not request.network and self.isolation.tier == "T0":
            hint = "leave out NBFN_NETWORK=none, or run nbfn where T1 can be had (see nbfn status)"
            raise StartFailed(
                "start", "it may have no network, and T0 cannot keep it from having it", hint=hint
            )
        place = plans.Place(self._ground.run / request.instance_id)
        self._alive.add(request.instance_id)
        try:
            instance = await self._fork(program, place, request, on_output)
            if instance is None:
                instance = self._spawn(program, place, request, on_output)
        except BaseException as error:
            self._alive.discard(request.instance_id)
            leftovers.remove(place.folder)
            if isinstance(error, OSError):
                raise StartFailed("start", f"no process for it: {error}") from error
            raise
        instance.on_end(lambda: self._alive.discard(request.instance_id))
        try:
            await instance.ready(self._start_timeout_s)
        except BaseException:
            await _to_the_end(instance.stop())
            raise
        return instance

    async def sweep(self) -> int:
        await asyncio.to_thread(self._zygotes.sweep)
        if self._groups:
            await asyncio.to_thread(self._groups.sweep)
        swept = await asyncio.to_thread(leftovers.sweep, self._ground.run, frozenset(self._alive))
        if not self._programs:
            await asyncio.to_thread(sweep_unpacked, self._layout, self._ground.layers)
        return swept

    async def close(self) -> None:
        """The guard has stopped the instances; what is left are zygotes."""
        self._programs.clear()
        await self._zygotes.close()
        if self._groups:
            await self._groups.close()
        with contextlib.suppress(OSError):  # not made, or not empty: somebody else's, then
            run = self._ground.run
            run.rmdir()
            if run != self._settings_run and not self._ground.passable:
                run.parent.rmdir()

    async def _fork(
        self,
        program: Program,
        place: plans.Place,
        request: StartRequest,
        on_output: Callable[[OutputStream, bytes], None],
    ) -> SandboxInstance | None:
        """An instance from a stem cell; None if it cannot be had so.

        Raises:
            OSError: no folder or descriptor for it.
        """
        strain = strain_of(program, request)
        if not isinstance(strain, Strain):
            _log.debug("%s starts without a zygote: %s", request.image, strain)
            return None
        plans.check(program, self.isolation.tier, self._interpreter)
        found = await self._zygotes.cell(strain)
        if found is None:
            return None
        zygote, cell = found
        try:
            code = zygote.show(program.layers[-1])
            seen = program if self.isolation.tier == "T2" else program.moved(zygote.folder / "code" / code)
            watched = cell.group is None
            if cell.group is not None:
                cell.group.limit(request.limits.memory_mb, plans.PROCESSES)
            order = plans.order(
                seen, request, self.isolation.tier, self._interpreter, place, code, watched=watched
            )
            self._make_folders(place, zygote.user, has_root=self.isolation.tier == "T2")
            with _listening(place.iofs / plans.SOCKET) as listener:
                supervisor = cell.order(order, listener.fileno())
        except BaseException as error:
            zygote.drop(cell)
            self._zygotes.release(zygote)
            leftovers.remove(place.folder)
            if not isinstance(error, ConnectionError):
                raise
            _log.warning("a stem cell of %r had died: %s", zygote, error)
            return None
        instance = self._instance(place, supervisor, request, cell.group, on_output)
        instance.on_end(lambda: self._zygotes.release(zygote))
        asyncio.get_running_loop().call_later(_REFILL_S, zygote.refill)
        return instance

    def _spawn(
        self,
        program: Program,
        place: plans.Place,
        request: StartRequest,
        on_output: Callable[[OutputStream, bytes], None],
    ) -> SandboxInstance:
        """An instance with an interpreter of its own.

        Raises:
            OSError: no process, folder or descriptor for it.
        """
        group = self._groups.make() if self._groups else None
        user = self._ground.user()
        try:
            with group.doors() if group else contextlib.nullcontext(()) as doors:
                plan = plans.make(
                    program, request, self.isolation.tier, self._interpreter, place, doors, user
                )
                if group:
                    group.limit(request.limits.memory_mb, plans.PROCESSES)
                self._make_folders(place, user, has_root=False)
                place.mountpoint.mkdir(mode=0o700)
                if user:  # it makes its socket itself
                    os.chown(place.iofs, user["id"], user["id"])
                elif plan["root"] and os.geteuid() == 0:
                    os.chown(place.iofs, plan["uid"], plan["gid"])
                supervisor = spawn(plan, request.instance_id, self._interpreter)
        except BaseException:
            if group and self._groups:
                self._groups.discard(group)
            raise
        return self._instance(place, supervisor, request, group, on_output)

    def _instance(
        self,
        place: plans.Place,
        supervisor: Supervisor,
        request: StartRequest,
        group: Group | None,
        on_output: Callable[[OutputStream, bytes], None],
    ) -> SandboxInstance:
        memory_mb = request.limits.memory_mb
        made = SandboxInstance(request.instance_id, place, supervisor, memory_mb, group, on_output)
        groups = self._groups
        if group and groups:
            made.on_end(lambda: groups.discard(group))
        return made

    def _make_folders(self, place: plans.Place, user: HostUser | None, *, has_root: bool) -> None:
        self._ground.make_run()
        self._ground.make(place.folder)
        place.iofs.mkdir(mode=0o700, exist_ok=True)
        if not has_root:
            place.temporary.mkdir(mode=0o700, exist_ok=True)
            if user:
                os.chown(place.temporary, user["id"], user["id"])

    async def _program(self, ref: ImageRef) -> Program:
        program = self._programs.get(ref)
        if program is None:
            program = await asyncio.to_thread(images.load, self._layout, ref, self._ground.layers)
            if not program.host and self.isolation.tier == "T2":
                await asyncio.to_thread(_check_layered, self._interpreter)
            if ref.digest:  # a tag may come to mean another image
                self._programs[ref] = program
        return program


def _check_layered(machine: interpreter.Interpreter) -> None:
    """Whether images with a root of their own can have it.

    Raises:
        StartFailed: stage ``image``: this kernel cannot lay layers over each other.
    """
    reason = layered(machine)
    if reason:
        raise StartFailed(
            "image",
            f"the image has a root of its own, which takes overlayfs: {reason}",
            hint="have the kernel load it (modprobe overlay), or run such images in containers: "
            "NBFN_DRIVER=auto, with Docker or Podman",
        )


def _find_groups(settings: Settings, machine: interpreter.Interpreter) -> tuple[Groups | None, str]:
    """Where the cgroups of instances go, or why there are none."""
    if not settings.cgroups:
        return None, "switched off by NBFN_CGROUPS=off"
    mark = hashlib.sha256(os.fsencode(settings.state)).hexdigest()[:12]
    try:
        return Groups.find(mark, machine.executable), ""
    except Unavailable as error:
        return None, str(error)


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    """A socket that listens at ``path``, for somebody else to accept from."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(_BACKLOG)
        yield listener


async def _to_the_end(stopping: Coroutine[object, object, object]) -> None:
    """Wait for it even if this task is cancelled meanwhile (again)."""
    task = asyncio.ensure_future(stopping)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
