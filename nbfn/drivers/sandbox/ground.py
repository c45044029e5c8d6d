"""Where the sandbox has its folders, and who its instances are, where they have no root of their own.

Under an executor that is root, instances at T0 and T1 are users that nobody else is: then they can neither
write root's files, nor signal its processes, nor connect to its sockets. Such a user has to reach the
interpreter, the layers and its own folder, and root's home is usually closed to others. So the folders
go to where others may pass, or instances keep the capability to read what others may not.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.drivers import places
from nbfn.drivers.sandbox import probe
from nbfn.drivers.sandbox.confine import linux

if TYPE_CHECKING:
    from nbfn.config import Settings
    from nbfn.drivers.sandbox.confine.plan import HostUser
    from nbfn.drivers.sandbox.interpreter import Interpreter

OPEN = Path("/var/cache/nbfn")
"""Whoever knows a name in it may pass, and nobody may list it."""

USERS = range(0x7000_0000, 0x8000_0000)
"""Numbers that neither distributions nor systemd (its ``UIDS-GIDS``) give to anybody."""

_PASSABLE = 0o711
_STATE = "state"
# To make folders theirs, to become them, to end them, and to clean up after them.
_NEEDED = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "KILL": 5, "SETGID": 6, "SETUID": 7}


@dataclass(frozen=True, slots=True)
class Ground:
    """Made by :func:`find`."""

    layers: Path
    zygotes: Path
    run: Path
    """Of instances, one folder each."""
    own_users: bool = False
    """Instances are users of their own of this machine."""
    search: bool = False
    """They keep the capability to read (CAP_DAC_READ_SEARCH)."""

    def user(self) -> HostUser | None:
        """Somebody that nobody is; None if instances stay who the executor is."""
        if not self.own_users:
            return None
        return {"id": USERS.start + secrets.randbelow(len(USERS)), "search": self.search}

    @property
    def passable(self) -> bool:
        """True if others reach it by their rights alone."""
        return self.own_users and not self.search

    def make_run(self) -> None:
        """See that ``run`` is there, and the executor's own.

        Raises:
            OSError: it belongs to somebody else.
        """
        if self.passable:
            self.run.mkdir(exist_ok=True)
            self.run.chmod(_PASSABLE)
        else:
            places.make_private(self.run)

    def make(self, folder: Path) -> None:
        """A folder for one instance, in ``run``, that it can pass through and not write."""
        folder.mkdir(exist_ok=True, mode=0o700)
        if self.passable:
            folder.chmod(_PASSABLE)


def find(settings: Settings, tier: str, interpreter: Interpreter) -> tuple[Ground, str]:
    """The ground for instances at ``tier``, and why they are root's processes; empty if they are not."""
    own = Ground(settings.state / "layers", settings.state / "zygotes", places.run_folder(settings))
    if tier == "T2" or os.geteuid() != 0:
        return own, ""
    held = linux.effective_capabilities()
    lacking = [f"CAP_{name}" for name, number in _NEEDED.items() if not held >> number & 1]
    if lacking:
        return own, f"root here is without {', '.join(lacking)}"
    reasons = []
    try:
        ground = _open(settings.state)
        reason = _try(ground, tier, interpreter)
        if not reason:
            return ground, ""
        reasons.append(reason)
        shutil.rmtree(ground.run.parent, ignore_errors=True)
    except OSError as error:
        reasons.append(str(error))
    ground = Ground(own.layers, own.zygotes, own.run, own_users=True, search=True)
    reason = _try(ground, tier, interpreter)
    return (own, f"{reasons[0]}, and to read in root's stead: {reason}") if reason else (ground, "")


def _open(state: Path) -> Ground:
    """Folders for ``state`` that others may pass through."""
    OPEN.mkdir(parents=True, exist_ok=True, mode=_PASSABLE)
    home = OPEN / hashlib.sha256(os.fsencode(state)).hexdigest()[:12]
    for path in (OPEN, home):
        path.mkdir(exist_ok=True, mode=_PASSABLE)
        if path.lstat().st_uid != 0:
            raise OSError(f"{path} belongs to user {path.lstat().st_uid}, not to root")
        path.chmod(_PASSABLE)
    (home / _STATE).write_bytes(os.fsencode(state))
    ground = Ground(home / "layers", home / "zygotes", home / "run", own_users=True)
    for folder in (ground.layers, ground.zygotes, ground.run):
        folder.mkdir(exist_ok=True, mode=_PASSABLE)
        folder.chmod(_PASSABLE)
    _sweep_open()
    return ground


def _sweep_open() -> None:
    """Remove what belonged to state folders that are gone."""
    for home in OPEN.iterdir():
        with contextlib.suppress(OSError):
            if not Path(os.fsdecode((home / _STATE).read_bytes())).exists():
                shutil.rmtree(home, ignore_errors=True)


def _try(ground: Ground, tier: str, interpreter: Interpreter) -> str:
    """Why no interpreter comes up there; empty if one does."""
    user = ground.user()
    assert user is not None
    try:
        ground.make_run()
    except OSError as error:
        return str(error)
    return probe.attempt(interpreter, tier, user, ground.run if ground.passable else None)
