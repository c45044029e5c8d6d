"""What version 2 asks for: controllers that each group hands down, and no process in one that does."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.drivers.sandbox.cgroups import places
from nbfn.drivers.sandbox.cgroups.group import PROCESSES_FILE

if TYPE_CHECKING:
    from nbfn.drivers.sandbox.cgroups.places import Hierarchy

_OWN_LEAF = "nbfn-executor"
_CONTROL_FILE = "cgroup.subtree_control"


def tops(hierarchy: Hierarchy) -> list[Path]:
    """The groups to make ours in, best first: this process's own, then those above it."""
    own, mount = Path(hierarchy.own), Path(hierarchy.mount)
    above = [path for path in own.parents if path.is_relative_to(mount)]
    return above if own.name == _OWN_LEAF else [own, *above]


def enable(folder: Path) -> None:
    """Have the groups in ``folder`` limited in what is needed.

    A group with processes of its own cannot do so, but for the topmost one. If this process is all that
    is in it, it moves into a group of its own; :func:`give_back` undoes that.

    Raises:
        OSError: not allowed here.
    """
    control = folder / _CONTROL_FILE
    if set(places.NEEDED) <= set(control.read_text().split()):
        return
    names = set((folder / "cgroup.controllers").read_text().split())
    wanted = " ".join(f"+{name}" for name in (*places.NEEDED, places.FAIR) if name in names)
    if not names.issuperset(places.NEEDED):
        raise OSError(f"{folder}: not given {' and '.join(places.NEEDED)}")
    try:
        control.write_text(wanted)
    except OSError:
        if not _is_alone_in(folder):
            raise
        leaf = folder / _OWN_LEAF
        leaf.mkdir(exist_ok=True)
        (leaf / PROCESSES_FILE).write_text("0")
        control.write_text(wanted)


def give_back(folder: Path) -> None:
    """Have ``folder`` as it was before this process moved: else nothing could be started in it again.

    Where somebody has made more groups in it, it stays as it is.
    """
    leaf, control = folder / _OWN_LEAF, folder / _CONTROL_FILE
    with contextlib.suppress(OSError):  # it never moved, or may not return
        if _is_alone_in(leaf) and [path for path in folder.iterdir() if path.is_dir()] == [leaf]:
            control.write_text(" ".join(f"-{name}" for name in control.read_text().split()))
            (folder / PROCESSES_FILE).write_text("0")
            leaf.rmdir()


def _is_alone_in(folder: Path) -> bool:
    """True if this process is all that is in this group."""
    return (folder / PROCESSES_FILE).read_text().split() == [str(os.getpid())]
