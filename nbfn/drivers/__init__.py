"""How instances of functions are run: the drivers, and :func:`make_driver` to choose one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.drivers.auto import AutoDriver
from nbfn.drivers.fake import FakeDriver
from nbfn.drivers.guard import Guarded, GuardedInstance
from nbfn.drivers.sandbox import SandboxDriver

if TYPE_CHECKING:
    from nbfn.config import Settings
    from nbfn.drivers.base import Driver

__all__ = ["AutoDriver", "FakeDriver", "Guarded", "GuardedInstance", "SandboxDriver", "make_driver"]


def make_driver(settings: Settings) -> Guarded:
    """The driver that ``settings.driver`` names, guarded.

    Tries out what this machine allows, which takes about 50 ms.

    Raises:
        ExecutorError: it is Docker's, and no daemon answers.
    """
    if settings.driver == "fake":
        return Guarded(FakeDriver(settings.run))
    if settings.driver == "docker":
        return Guarded(_docker(settings))
    sandbox = SandboxDriver(settings)
    if settings.driver == "sandbox":
        return Guarded(sandbox)
    return Guarded(AutoDriver(sandbox, lambda: _docker(settings), settings.state / "docker"))


def _docker(settings: Settings) -> Driver:
    from nbfn.drivers.docker import DockerDriver  # its libraries take a third of a second

    return DockerDriver(settings)
