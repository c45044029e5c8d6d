"""Where this process's own groups are, from what ``/proc/self`` says. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

NEEDED = ("memory", "pids")
"""The controllers that limits of instances are set with."""
FAIR = "cpu"
"""The one that shares processors by instance and not by process, where it can be had."""

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One tree of groups. In version 2 ``controllers`` is empty: a file in each group tells."""

    version: int
    controllers: frozenset[str]
    mount: PurePosixPath
    own: PurePosixPath
    """The folder of the group that the process is in, or the nearest that it can see."""


def hierarchies(cgroup: str, mountinfo: str) -> list[Hierarchy]:
    """What ``/proc/self/cgroup`` and ``/proc/self/mountinfo`` say together.

    A container often sees a part of the tree only: where its own group is not in it, the top of what it
    sees is taken.
    """
    mounts = _mounts(mountinfo)
    found = []
    for line in cgroup.splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        version = 2 if number == "0" and not names else 1
        controllers = frozenset(names.split(",")) if names else frozenset()
        for kind, options, root, mount in mounts:
            if kind == ("cgroup2" if version == 2 else "cgroup") and controllers <= options:
                below = _below(path, root)
                found.append(Hierarchy(version, controllers, mount, mount / below if below else mount))
                break
    return found


def choose(found: list[Hierarchy]) -> dict[str, Hierarchy] | None:
    """The hierarchy of each controller that is needed: all in version 1, or in version 2; else None."""
    first = {
        name: hierarchy
        for name in NEEDED
        for hierarchy in found
        if hierarchy.version == 1 and name in hierarchy.controllers
    }
    if len(first) == len(NEEDED):
        fair = [each for each in found if each.version == 1 and FAIR in each.controllers]
        return {**first, **dict.fromkeys([FAIR], fair[0])} if fair else first
    if not first:
        for hierarchy in found:
            if hierarchy.version == 2:
                return dict.fromkeys(NEEDED, hierarchy)
    return None


def _mounts(mountinfo: str) -> list[tuple[str, frozenset[str], str, PurePosixPath]]:
    found = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if len(fields) > 4 and len(kinds) > 2 and kinds[0] in ("cgroup", "cgroup2"):
            options = frozenset(kinds[2].split(","))
            found.append((kinds[0], options, _plain(fields[3]), PurePosixPath(_plain(fields[4]))))
    return found


def _below(path: str, root: str) -> str:
    """``path`` seen from ``root``, without a slash before it; empty if it is not below."""
    if ".." in path.split("/"):
        return ""
    if root == "/":
        return path.strip("/")
    return path.removeprefix(root).strip("/") if f"{path}/".startswith(f"{root}/") else ""


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)
