"""A real executor at one tier, with a neighbour that must not notice anything."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbfn import config
from nbfn.drivers.sandbox.confine import proctree
from nbfn.drivers.sandbox.zygote import STEM_CELLS
from tests.drivers.rig import ground_of
from tests.executor.functions import deploy, image
from tests.executor.test_process import endpoint, serving
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from nbfn.drivers.sandbox.ground import Ground

_NUMBERS = {
    "x86_64": {"ptrace": 101, "mount": 165, "unshare": 272, "init_module": 175},
    "aarch64": {"ptrace": 117, "mount": 40, "unshare": 97, "init_module": 105},
}


@dataclass(frozen=True, slots=True)
class House:
    """The executor, its tier, and what a function may be told of it."""

    state: Path
    tier: str
    pid: int
    client: httpx.Client
    neighbour: str
    listener: socket.socket
    ground: Ground
    isolation: dict[str, Any]
    sleep: str
    """What daemons sleep, by which they are found."""
    base: str
    """What its images are built on; empty for this machine."""

    def deploy(self, source: str, name: str, **more: object) -> str:
        ref = image(self.state, source, base=self.base)
        return deploy(self.client, ref, name, **{"memory": 128, **more})

    def target(self, token: str) -> dict[str, object]:
        """What to attack."""
        instance = self.instances(self.neighbour)[0]
        marked = proctree.marked("NBFN_INSTANCE_ID")
        return {
            "state": str(self.state),
            "tier": self.tier,
            "token": token,
            "sleep": self.sleep,
            "executor": self.pid,
            "socket": str(config.load({"NBFN_STATE": str(self.state)}).socket),
            "port": self.listener.getsockname()[1],
            "neighbours": [pid for pid, value in marked.items() if value == instance],
            "neighbours_folder": str(self.run / instance),
            **_NUMBERS[os.uname().machine],
        }

    @property
    def token(self) -> str:
        """What lets a caller in."""
        return (self.state / "token").read_text().strip()

    @property
    def has_groups(self) -> bool:
        """True if instances are limited by cgroups."""
        return any("cgroup" in mechanism for mechanism in self.isolation["mechanisms"])

    @property
    def run(self) -> Path:
        return self.ground.run

    def instances(self, fn_id: str) -> list[str]:
        items = self.client.get(f"/nbfn/v1/fns/{fn_id}/instances").json()["items"]
        return [item["id"] for item in items]

    def neighbour_is_well(self) -> None:
        """It answers, and from the same instance as ever."""
        answer = self.client.post(f"/invoke/{self.neighbour}", json=1)
        assert (answer.status_code, answer.text) == (200, "1"), answer.text
        assert answer.headers["nbfn-start"] == "warm"

    def remove(self, fn_id: str) -> None:
        """The function, and see that nothing of it is left."""
        calls = self.client.get(f"/nbfn/v1/fns/{fn_id}/calls").json()["items"]
        mine = {call["instance_id"] for call in calls} | set(self.instances(fn_id))
        assert self.client.delete(f"/v2/fns/{fn_id}").status_code == 204
        until(lambda: not mine & {path.name for path in self.run.iterdir()})
        until(lambda: not mine & set(proctree.marked("NBFN_INSTANCE_ID").values()))
        until(lambda: not sleepers(self.sleep))
        until(lambda: self.groups() <= 1 + STEM_CELLS * len(list(self.ground.zygotes.glob("*"))))
        assert str(self.state) not in Path("/proc/self/mounts").read_text()

    def groups(self) -> int:
        """Cgroups of this executor's instances and stem cells."""
        return sum(1 for path in group_folders(self.state) for each in path.iterdir() if each.is_dir())

    def resident_bytes(self) -> int:
        """Of the executor."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:"))


def sleepers(sleep: str) -> list[int]:
    """Daemons that are left."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if sleep.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found


def group_folders(state: Path) -> list[Path]:
    """The executor's folder of memory cgroups, if it has one: in this process's group or one above it."""
    from hashlib import sha256

    from nbfn.drivers.sandbox.cgroups import places

    cgroup, mounts = (Path("/proc/self", name).read_text() for name in ("cgroup", "mountinfo"))
    chosen = places.choose(places.hierarchies(cgroup, mounts))
    folder = f"nbfn-of-{sha256(os.fsencode(state)).hexdigest()[:12]}"
    own = Path(chosen["memory"].own) if chosen else None
    found = [path / folder for path in (own, *own.parents)] if own else []
    return [path for path in found if path.is_dir()]


@contextmanager
def house(tier: str, base: str = "") -> Iterator[House]:
    """Everything of it is gone afterwards, or the test fails."""
    state = Path(tempfile.mkdtemp(prefix="nbfn-m-"))
    try:
        with (
            serving(state, NBFN_DRIVER="sandbox", NBFN_TIER=tier) as process,
            endpoint(state).client(timeout=120) as client,
            socket.create_server(("127.0.0.1", 0)) as listener,
        ):
            isolation = client.get("/nbfn/v1/info").json()["isolation"]
            neighbour = image(state, "def f(x): return x\n", base=base)
            fn_id = deploy(client, neighbour, "neighbour", idle_timeout=3600)
            assert client.post(f"/invoke/{fn_id}", json=1).text == "1"
            sleep = f"3600.{secrets.randbelow(10**9)}"
            ground = ground_of(config.load({"NBFN_STATE": str(state), "NBFN_TIER": tier}))
            yield House(state, tier, process.pid, client, fn_id, listener, ground, isolation, sleep, base)
            process.terminate()
            assert process.wait(timeout=60) == 0
        assert group_folders(state) == []
        assert not any(ground.zygotes.iterdir())
        assert not ground.run.exists()
    finally:
        shutil.rmtree(state, ignore_errors=True)
