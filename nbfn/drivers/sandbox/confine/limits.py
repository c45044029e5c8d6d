"""Resource limits of the process, which hold at every tier."""

from __future__ import annotations

import resource

OPEN_FILES = 1024
FILE_BYTES = 1 << 30
_SLACK_BYTES = 1 << 30


def apply(memory_mb: int, processes: int) -> None:
    """Set the limits that the instance and its children inherit.

    ``processes`` 0 leaves their number alone. The memory limit proper is kept by the supervisor, which
    looks at what is really used: libraries reserve far more than they touch, so a tight RLIMIT_DATA
    would break numpy. The wide one here turns a single huge allocation into a MemoryError.
    """
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    _lower(resource.RLIMIT_FSIZE, FILE_BYTES)
    _lower(resource.RLIMIT_DATA, (memory_mb << 20) + _SLACK_BYTES)
    _lower(resource.RLIMIT_MEMLOCK, 64 << 10)
    if processes:
        _lower(resource.RLIMIT_NPROC, processes)


def _lower(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))
