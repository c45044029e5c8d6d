"""Cgroups that are an ordinary user's, as systemd makes them with ``Delegate=yes``."""

from __future__ import annotations

import contextlib
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.drivers.sandbox.cgroups import places
from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = 1000
CONTROLLERS = "+cpu +memory +pids"
_ENTER = 'for group in $0; do echo 0 >"$group/cgroup.procs" || exit; done; exec "$@"'


def entering(*groups: Path) -> tuple[str, ...]:
    """What is put before a command that is to run in them."""
    return ("sh", "-c", _ENTER, " ".join(map(str, groups)))


@contextmanager
def given(folder: Path) -> Iterator[Path]:
    """One of that name."""
    folder.mkdir()
    try:
        for path in (folder, *(folder / f"cgroup.{name}" for name in ("procs", "subtree_control"))):
            if path.exists():
                os.chown(path, USER, USER)
        yield folder
    finally:
        folder.rmdir()


@contextmanager
def session() -> Iterator[tuple[Path, ...]]:
    """For several processes: one in each hierarchy; in version 2 one more in it, processes need a leaf."""
    cgroup, mounts = (Path("/proc/self", name).read_text() for name in ("cgroup", "mountinfo"))
    found = places.choose(places.hierarchies(cgroup, mounts))
    if found is None:
        lacking("no cgroups with memory and pids are mounted here")
    name = f"nbfn-given-{os.getpid()}"
    with contextlib.ExitStack() as made:
        if found["memory"].version == 1:
            yield tuple(made.enter_context(given(Path(found[each].own) / name)) for each in places.NEEDED)
            return
        top = Path(found["memory"].mount)
        (top / "cgroup.subtree_control").write_text(CONTROLLERS)
        outer = made.enter_context(given(top / name))
        (outer / "cgroup.subtree_control").write_text(CONTROLLERS)
        yield (made.enter_context(given(outer / "session")),)
