"""Resource limits of the process, which hold at every tier."""

from __future__ import annotations

import os
import resource

from . import proctree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

OPEN_FILES = 1024
FILE_BYTES = 1 << 30
_SLACK_BYTES = 1 << 30


def apply(memory_mb: int, processes: int) -> None:
    """Set the limits that the instance and its children inherit.

    ``processes`` 0 leaves their number alone. The memory limit proper is kept by a cgroup, or by the
    supervisor, since what counts is what is really used: libraries reserve far more than they touch, so a
    tight RLIMIT_DATA would break numpy. The wide one here turns a single huge allocation into a MemoryError.
    """
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    _lower(resource.RLIMIT_FSIZE, FILE_BYTES)
    _lower(resource.RLIMIT_DATA, (memory_mb << 20) + _SLACK_BYTES)
    _lower(resource.RLIMIT_MEMLOCK, 64 << 10)
    if processes:
        _lower(resource.RLIMIT_NPROC, processes)


def enter_groups(doors: Sequence[int]) -> None:
    """Put this process, and what it forks from here on, in the cgroups that ``doors`` lead to; closes them.

    Raises:
        OSError: the kernel refused.
    """
    for door in doors:
        os.write(door, b"0")
    close(doors)


def close(doors: Sequence[int]) -> None:
    """Let nobody below go through them."""
    for door in doors:
        os.close(door)


def processes_beside_others(count: int) -> int:
    """The limit that leaves ``count`` processes where those of the same user are counted together."""
    if os.geteuid() == 0:
        return 0  # root's are not counted at all
    return proctree.tasks_of(os.geteuid()) + 2 * count


def _lower(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))
