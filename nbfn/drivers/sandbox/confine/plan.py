"""What the driver tells supervisors, zygotes and stem cells, as JSON on their sockets. Types only."""

from __future__ import annotations

from typing import TypedDict


class Bind(TypedDict):
    """A host folder or file shown inside the instance's root."""

    source: str
    target: str
    """Absolute inside the new root."""
    write: bool
    device: bool
    """A device node: it must stay usable as one."""


class RootPlan(TypedDict):
    """A root file system: a small tmpfs that only binds, links and a few files fill."""

    mountpoint: str
    """A folder on the host to build it on, seen by nobody else."""
    overlay: list[str]
    """Layer folders, lowest first, that make the whole root; empty for a root of binds."""
    binds: list[Bind]
    links: list[tuple[str, str]]
    """``(text of the link, where it is)``"""
    files: list[tuple[str, str]]
    """``(path, content)``"""
    folders: list[str]
    """Empty ones, to mount on later."""
    tmp_mb: int


class HostUser(TypedDict):
    """Who an instance on the host's root is, where the executor is root."""

    id: int
    """Of the user, and of the one group."""
    search: bool
    """Keeps CAP_DAC_READ_SEARCH: what it needs is closed to others."""


class Plan(TypedDict):
    """All that a supervisor needs to start one instance."""

    tier: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    root: RootPlan | None
    """None: the instance sees the host's root (T0, T1)."""
    uid: int
    gid: int
    """Who it is inside a root of its own."""
    user: HostUser | None
    """Who it is without one; None: who the executor is."""
    network: bool
    memory_mb: int
    processes: int
    doors: list[int]
    """Inherited descriptors by which it enters its cgroups; with none, its use is watched."""
    readable: list[str]
    writable: list[str]
    """What Landlock leaves open at T1, as host paths (at T2 the root says it all)."""


class Report(TypedDict, total=False):
    """What the supervisor tells the driver, one JSON object a line."""

    failed: str
    """It could not be confined or executed: why."""
    status: int
    """How the instance ended, as ``waitpid`` says it."""
    over: str
    """The limit that it was killed for: ``memory``, ``processes``; empty if for none."""


class ZygotePlan(TypedDict):
    """What a zygote is: everything but a function's own code, limits and configuration."""

    tier: str
    root: RootPlan | None
    uid: int
    gid: int
    user: HostUser | None
    network: bool
    path: list[str]
    """Begins ``sys.path``: the runtime, then the packages."""
    without: str
    """What is taken off it: the folder that the zygote's own code came from."""
    python: str
    """The Python of a root of its own, which the zygote becomes; empty: it is this one."""
    env: dict[str, str]
    """What that one starts with."""
    preload: list[str]
    readable: list[str]
    writable: list[str]


class Order(TypedDict):
    """What makes an instance of a stem cell."""

    id: str
    env: dict[str, str]
    cwd: str
    code: str
    """The folder of its code in the zygote's store."""
    tmp_mb: int
    memory_mb: int
    processes: int
    watched: bool
    """No cgroup limits it, so that its use has to be looked at."""
    readable: list[str]
    writable: list[str]
