"""The zygotes of a driver: few, made when a function needs one, ended when none has for a while."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from nbfn.drivers.sandbox import leftovers
from nbfn.drivers.sandbox.cell import CellFailed
from nbfn.drivers.sandbox.zygote import Zygote, ZygoteFailed

if TYPE_CHECKING:
    from nbfn.drivers.sandbox.cell import Cell
    from nbfn.drivers.sandbox.cgroups import Groups
    from nbfn.drivers.sandbox.ground import Ground
    from nbfn.drivers.sandbox.interpreter import Interpreter
    from nbfn.drivers.sandbox.strain import Strain

_log = logging.getLogger(__name__)

IDLE_S = 300.0
"""How long a zygote stays after its last instance."""
_START_S = 30.0
_UNFIT_MAX = 256


class Zygotes:
    """At most ``most`` living ones, those unused for longest go first; used from one event loop."""

    def __init__(
        self,
        tier: str,
        interpreter: Interpreter,
        ground: Ground,
        most: int,
        *,
        groups: Groups | None = None,
        idle_s: float = IDLE_S,
        start_timeout_s: float = _START_S,
    ) -> None:
        self._tier = tier
        self._interpreter = interpreter
        self._ground = ground
        self._most = most
        self._groups = groups
        self._idle_s = idle_s
        self._start_timeout_s = start_timeout_s
        self._starting: dict[Strain, asyncio.Task[Zygote]] = {}
        self._living: dict[Strain, Zygote] = {}
        self._retired: set[Zygote] = set()
        self._unfit: dict[Strain, str] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._timers: dict[Zygote, asyncio.TimerHandle] = {}

    @property
    def alive(self) -> frozenset[Zygote]:
        """Those whose processes exist."""
        return frozenset({*self._living.values(), *self._retired})

    async def warm(self, strain: Strain) -> Zygote | None:
        """The zygote of ``strain``, made now if there is none; None if there can be none.

        Why not is logged once, and not tried again.
        """
        zygote = self._living.get(strain)
        if zygote is not None and zygote.living:
            return zygote
        if self._most == 0 or strain in self._unfit:
            return None
        task = self._starting.get(strain)
        if task is None:
            task = self._starting[strain] = asyncio.create_task(self._start(strain))
            task.add_done_callback(lambda done: self._started(strain, done))
        try:
            return await asyncio.shield(task)
        except ZygoteFailed:
            return None

    async def cell(self, strain: Strain) -> tuple[Zygote, Cell] | None:
        """A stem cell and its zygote, which counts it as an instance until :meth:`release`.

        None if there can be no zygote. One that turns out to be dead is replaced, once.
        """
        reason = ""
        for _ in range(2):
            zygote = await self.warm(strain)
            if zygote is None:
                return None
            self._hold(zygote)
            try:
                return zygote, await zygote.cell()
            except CellFailed as error:
                _log.warning("%r gave no stem cell: %s", zygote, error)
                reason = str(error)
                self._retire(zygote)
                self.release(zygote)
            except BaseException:
                self.release(zygote)
                raise
        self._give_up(strain, reason)
        return None

    def release(self, zygote: Zygote) -> None:
        """One of its instances has ended."""
        zygote.instances -= 1
        if zygote.instances:
            return
        if not zygote.living:
            self._end(zygote)
        elif zygote not in self._timers:
            self._timers[zygote] = asyncio.get_running_loop().call_later(self._idle_s, self._expire, zygote)

    def sweep(self) -> None:
        """Remove what zygotes of a dead executor left."""
        leftovers.sweep(self._ground.zygotes, {zygote.folder.name for zygote in self.alive})

    async def close(self) -> None:
        """End them all, and everything that was forked from them."""
        for task in self._starting.values():
            task.cancel()
        await asyncio.gather(*self._starting.values(), return_exceptions=True)
        for zygote in self.alive:
            self._end(zygote)
        while self._closing:
            await asyncio.wait(self._closing)

    async def _start(self, strain: Strain) -> Zygote:
        while len(self._living) >= self._most:
            idle = [zygote for zygote in self._living.values() if not zygote.instances]
            self._retire(min(idle or self._living.values(), key=lambda zygote: zygote.used))
        zygote = await Zygote.start(
            strain,
            self._tier,
            self._interpreter,
            self._ground,
            self._start_timeout_s,
            self._groups,
        )
        previous = self._living.get(strain)
        if previous is not None:
            self._retire(previous)
        self._living[strain] = zygote
        self._hold(zygote)
        self.release(zygote)  # nobody has asked for it yet, and maybe nobody will
        return zygote

    def _started(self, strain: Strain, done: asyncio.Task[Zygote]) -> None:
        del self._starting[strain]
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self._give_up(strain, str(error))

    def _give_up(self, strain: Strain, reason: str) -> None:
        what = f"with {', '.join(strain.preload)}" if strain.preload else "without imports"
        _log.warning("functions %s start without a zygote: %s", what, reason)
        if len(self._unfit) >= _UNFIT_MAX:
            self._unfit.clear()
        self._unfit[strain] = reason

    def _hold(self, zygote: Zygote) -> None:
        zygote.instances += 1
        zygote.used = asyncio.get_running_loop().time()
        timer = self._timers.pop(zygote, None)
        if timer:
            timer.cancel()

    def _expire(self, zygote: Zygote) -> None:
        self._timers.pop(zygote, None)
        self._retire(zygote)

    def _retire(self, zygote: Zygote) -> None:
        """It forks no more; with its last instance it goes."""
        zygote.retire()
        if self._living.get(zygote.strain) is zygote:
            del self._living[zygote.strain]
            self._retired.add(zygote)
        if not zygote.instances:
            self._end(zygote)

    def _end(self, zygote: Zygote) -> None:
        if self._living.get(zygote.strain) is zygote:
            del self._living[zygote.strain]
        self._retired.discard(zygote)
        timer = self._timers.pop(zygote, None)
        if timer:
            timer.cancel()
        task = asyncio.create_task(zygote.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
