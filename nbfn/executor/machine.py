"""How much memory this machine, or the cgroup this process is in, lets instances have together."""

from __future__ import annotations

import os
from pathlib import Path

_SHARE = 0.8  # the rest is for the notebook's own kernel, the executor and the system


def memory_budget_mb() -> int:
    """80 % of the smallest of: the machine's memory, every cgroup limit above this process."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, int(min([machine, *_cgroup_limits()]) * _SHARE) >> 20)


def _cgroup_limits() -> list[int]:
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, name = Path("/sys/fs/cgroup"), "memory.max"
        elif "memory" in controllers.split(","):
            root, name = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
        else:
            continue
        # A container may see its own cgroup as the root of the mount, so each level is looked at.
        folder = root / path.lstrip("/")
        levels = [level for level in (folder, *folder.parents) if level.is_relative_to(root)]
        found += [limit for level in levels if (limit := _read_limit(level / name))]
    return found


def _read_limit(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) > 0 else None
