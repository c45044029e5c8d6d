"""What a container holds, read from its cgroups: asking the daemon takes it a second."""

from __future__ import annotations

from pathlib import Path

from nbfn.drivers.base import Usage

_GROUPS = Path("/sys/fs/cgroup")
_NOTHING = Usage(0, 0, 0.0)


def of(pid: int) -> Usage:
    """What the container of this process holds; nothing, where its cgroups cannot be read."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return _NOTHING
    places: dict[str, str] = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        places |= dict.fromkeys(controllers.split(","), path.lstrip("/"))
    if "memory" in places:
        memory = _GROUPS / "memory" / places["memory"]
        found = _fields(memory / "memory.stat")
        held = found.get("total_rss", 0) + found.get("total_shmem", 0)
        cpu_s = _number(_GROUPS / "cpuacct" / places.get("cpuacct", ""), "cpuacct.usage") / 1e9
        return Usage(held, _lines(memory / "cgroup.procs"), cpu_s)
    group = _GROUPS / places.get("", "")
    found = _fields(group / "memory.stat")
    cpu_s = _fields(group / "cpu.stat").get("usage_usec", 0) / 1e6
    return Usage(found.get("anon", 0) + found.get("shmem", 0), _lines(group / "cgroup.procs"), cpu_s)


def _fields(path: Path) -> dict[str, int]:
    try:
        return {name: int(value) for name, value in (line.split() for line in path.read_text().splitlines())}
    except (OSError, ValueError):
        return {}


def _number(folder: Path, name: str) -> int:
    try:
        return int((folder / name).read_text())
    except (OSError, ValueError):
        return 0


def _lines(path: Path) -> int:
    try:
        return len(path.read_text().split())
    except OSError:
        return 0
