"""One zygote as the driver holds it: its processes, its stem cells, and the code it can show them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import shutil
import socket
import subprocess
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.drivers.sandbox import confine, leftovers, plans
from nbfn.drivers.sandbox.cell import Cell, CellFailed
from nbfn.drivers.sandbox.confine import mark, passing
from nbfn.drivers.sandbox.confine.zygote import CODE_INSIDE

if TYPE_CHECKING:
    from nbfn.drivers.sandbox.cgroups import Groups
    from nbfn.drivers.sandbox.confine.plan import HostUser
    from nbfn.drivers.sandbox.ground import Ground
    from nbfn.drivers.sandbox.interpreter import Interpreter
    from nbfn.drivers.sandbox.strain import Strain

_log = logging.getLogger(__name__)

STEM_CELLS = 2
"""How many are kept ready."""
_CHUNK = 1 << 16
_CONFINE = Path(confine.__file__).parent
_START = (
    "import sys; sys.path.insert(0, sys.argv[3]); "
    "from confine import zygote; zygote.main(int(sys.argv[1]), int(sys.argv[2]))"
)


class ZygoteFailed(Exception):
    """A zygote that did not come up; says why."""


class Zygote:
    """Made by :meth:`start`. ``close`` ends it and whatever was forked from it."""

    def __init__(self, strain: Strain, folder: Path, user: HostUser | None, groups: Groups | None) -> None:
        self.strain = strain
        self.user = user
        """Who it and its instances are, on the host's root; None: who the executor is."""
        self._groups = groups
        self.folder = folder
        self.instances = 0
        """How many run that were forked from it."""
        self.used = 0.0
        """When it was last asked for an instance (the loop's time)."""
        self._cells: deque[Cell] = deque()
        self._control: socket.socket | None = None
        self._alive = -1
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"<zygote {self.folder.name[:8]} with {', '.join(self.strain.preload) or 'nothing imported'}>"

    @classmethod
    async def start(
        cls,
        strain: Strain,
        tier: str,
        interpreter: Interpreter,
        ground: Ground,
        timeout_s: float,
        groups: Groups | None,
    ) -> Zygote:
        """A zygote of this strain, with its stem cells growing.

        Raises:
            ZygoteFailed: it did not come up in time, or at all. Nothing of it is left.
        """
        made = cls(strain, ground.zygotes / secrets.token_hex(mark.LENGTH // 2), ground.user(), groups)
        try:
            await made._come_up(tier, interpreter, ground, timeout_s)
        except OSError as error:
            await made.close()
            raise ZygoteFailed(str(error)) from error
        except BaseException:
            await made.close()
            raise
        made.refill()
        return made

    @property
    def living(self) -> bool:
        """False once it can fork no more; instances of it may still run."""
        return self._control is not None

    async def cell(self) -> Cell:
        """A stem cell that waits for its order.

        Raises:
            CellFailed: it did not grow, or the zygote is dead.
        """
        while True:
            if not self._cells:
                self._grow()
            cell = self._cells.popleft()
            try:
                await asyncio.shield(cell.grown)
            except CellFailed:
                self.drop(cell)
                raise
            except asyncio.CancelledError:
                self._give_back(cell)
                raise
            if cell.living:
                return cell
            self.drop(cell)

    def drop(self, cell: Cell) -> None:
        """Let go of a cell that will not be an instance, and of its cgroup."""
        cell.close()
        if cell.group is not None and self._groups is not None:
            self._groups.discard(cell.group)

    def refill(self) -> None:
        """Have stem cells grown until enough are ready."""
        with contextlib.suppress(CellFailed):  # the next start will see it
            while len(self._cells) < STEM_CELLS:
                self._grow()

    def show(self, code: Path) -> str:
        """Put this code layer in the store that the zygote sees; its name there."""
        target = self.folder / "code" / code.name
        if not target.exists():
            part = target.with_name(f".{code.name}")
            try:
                shutil.copytree(code, part, symlinks=True, copy_function=os.link, dirs_exist_ok=True)
            except OSError:  # another file system
                shutil.rmtree(part, ignore_errors=True)
                shutil.copytree(code, part, symlinks=True)
            part.rename(target)
        return code.name

    def retire(self) -> None:
        """End the zygote itself; instances that were forked from it live on."""
        cells, self._cells = self._cells, deque()
        for cell in cells:
            self.drop(cell)
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._control.close()
            self._control = None

    async def close(self) -> None:
        """End it and everything below; returns when it is gone."""
        self.retire()
        if self._alive >= 0:
            os.close(self._alive)
            self._alive = -1
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)
        await asyncio.to_thread(leftovers.remove, self.folder)

    async def _come_up(self, tier: str, interpreter: Interpreter, ground: Ground, timeout_s: float) -> None:
        self._make_folders(ground)
        plan = plans.zygote(self.strain, tier, interpreter, self.folder, ground.run, self.user)
        control, theirs = socket.socketpair()
        reading, self._alive = os.pipe()
        self._control = control
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
                    [
                        *(str(interpreter.executable), "-S", "-B", "-c", _START),
                        *(str(theirs.fileno()), str(reading), str(_CONFINE.parent)),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno(), reading],
                    # What is for the image's Python may not suit this one.
                    env={plans.ID_VARIABLE: self.folder.name} if plan["python"] else plan["env"],
                    start_new_session=True,
                    cwd="/",
                )
            finally:
                os.close(reading)
        passing.send(control, plan)
        control.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                told = await loop.sock_recv(control, _CHUNK)
        except TimeoutError:
            raise ZygoteFailed(f"importing took more than {timeout_s:g} s") from None
        if not told:
            raise ZygoteFailed("it died while it imported")
        failed, not_imported = _read(told)
        if failed:
            raise ZygoteFailed(failed)
        loop.add_reader(control.fileno(), self._ended)
        if not_imported:
            _log.info("%r could not import %s", self, ", ".join(not_imported))

    def _make_folders(self, ground: Ground) -> None:
        for folder in (self.folder, self.folder / "code", self.folder / "root"):
            folder.mkdir(parents=True)
            folder.chmod(0o755)
        if self.strain.own_root:
            inside = self.folder / "code" / Path(CODE_INSIDE).name
            shutil.copytree(_CONFINE, inside / _CONFINE.name)
            # However closed nbfn is installed: the image's user reads it.
            for path in (inside, *inside.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
        ground.make_run()

    def _ended(self) -> None:
        _log.warning("%r has died; instances of it live on", self)
        self.retire()

    def _grow(self) -> None:
        if self._control is None:
            raise CellFailed("its zygote has ended")
        group = self._groups.make() if self._groups is not None else None
        ours, theirs = socket.socketpair()
        cell = Cell(ours, group)
        with theirs:
            try:
                with group.doors() if group is not None else contextlib.nullcontext(()) as doors:
                    passing.send(self._control, {}, [theirs.fileno(), *doors])
            except OSError as error:
                self.drop(cell)
                raise CellFailed(f"its zygote does not answer: {error}") from error
        self._cells.append(cell)

    def _give_back(self, cell: Cell) -> None:
        if self.living:
            self._cells.appendleft(cell)
        else:
            self.drop(cell)


def _read(told: bytes) -> tuple[str, list[str]]:
    """What a zygote tells: why it cannot be one, or what it could not import.

    Raises:
        ZygoteFailed: it is no zygote of ours that talks: what runs there may say anything.
    """
    try:
        report = json.loads(told)
        return str(report.get("failed", "")), [str(name) for name in report.get("not_imported", ())]
    except (ValueError, AttributeError, TypeError):
        raise ZygoteFailed("it told what no zygote tells") from None
