"""How instances of functions are run: the drivers, and :func:`make_driver` to choose one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.drivers.fake import FakeDriver
from nbfn.drivers.guard import Guarded, GuardedInstance
from nbfn.drivers.sandbox import SandboxDriver

if TYPE_CHECKING:
    from nbfn.config import Settings

__all__ = ["FakeDriver", "Guarded", "GuardedInstance", "SandboxDriver", "make_driver"]


def make_driver(settings: Settings) -> Guarded:
    """The driver that ``settings.driver`` names, guarded.

    Tries out what this machine allows, which takes about 50 ms.
    """
    if settings.driver == "fake":
        return Guarded(FakeDriver(settings.run))
    if settings.driver == "docker":
        from nbfn.drivers.docker import DockerDriver  # its libraries take a third of a second

        return Guarded(DockerDriver(settings))
    return Guarded(SandboxDriver(settings))
