"""From an image, a request and a tier to the supervisor's plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.drivers import places
from nbfn.drivers.base import StartFailed
from nbfn.drivers.sandbox import roots
from nbfn.drivers.sandbox.confine.zygote import CODE_INSIDE
from nbfn.drivers.sandbox.strain import ENTRYPOINT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbfn.drivers.base import StartRequest
    from nbfn.drivers.sandbox.confine.plan import HostUser, Order, Plan, RootPlan, ZygotePlan
    from nbfn.drivers.sandbox.image import Program
    from nbfn.drivers.sandbox.interpreter import Interpreter
    from nbfn.drivers.sandbox.strain import Strain

ID_VARIABLE = places.ID_VARIABLE
FUNCTION_VARIABLE = "NBFN_FUNCTION_DIR"
# Threads count where the system counts, and numerical libraries start one for each core.
PROCESSES = 256
SOCKET = places.SOCKET


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one instance on the host."""

    folder: Path

    @property
    def iofs(self) -> Path:
        """Where its socket comes; the instance writes here."""
        return self.folder / "iofs"

    @property
    def temporary(self) -> Path:
        """Its ``TMPDIR`` where it has no root of its own."""
        return self.folder / "tmp"

    @property
    def mountpoint(self) -> Path:
        """Where the supervisor builds its root; empty for everybody else."""
        return self.folder / "root"


def check(program: Program, tier: str, interpreter: Interpreter) -> None:
    """Whether ``program`` can run on this machine at ``tier``.

    Raises:
        StartFailed: stage ``image``: it cannot.
    """
    if program.host and program.host != interpreter.soabi:
        raise StartFailed(
            "image", f"the image needs this machine's {program.host}, and it has {interpreter.soabi}"
        )
    if not program.host and tier != "T2":
        raise StartFailed(
            "image", f"the image has a root of its own, which takes T2; this machine allows {tier}"
        )


def make(
    program: Program,
    request: StartRequest,
    tier: str,
    interpreter: Interpreter,
    place: Place,
    doors: Sequence[int] = (),
    user: HostUser | None = None,
) -> Plan:
    """The plan to run ``program`` at ``tier``, in the cgroups that ``doors`` lead to, as ``user``.

    Raises:
        StartFailed: stage ``image``: it cannot run on this machine, or not at this tier.
    """
    check(program, tier, interpreter)
    own_root = tier == "T2"
    argv = list(program.argv)
    if program.host and argv[0] == ENTRYPOINT[0]:  # which may be another minor in the same folder
        argv[0] = str(interpreter.executable)
    env = environment(program, request.env, interpreter, None if own_root else place)
    env[ID_VARIABLE] = request.instance_id
    cwd = program.cwd if own_root else str(program.find(program.cwd) or place.temporary)
    root = None
    if own_root:
        own = roots.Own(place.mountpoint, places.tmp_mb(request.limits.memory_mb), iofs=place.iofs)
        root = _root(program.layers, program.uid, interpreter if program.host else None, own)
    return {
        "tier": tier,
        "argv": argv,
        "env": env,
        "cwd": cwd,
        "root": root,
        "uid": program.uid,
        "gid": program.gid,
        "user": user,
        "network": request.network,
        "memory_mb": request.limits.memory_mb,
        "processes": PROCESSES,
        "doors": list(doors),
        "readable": roots.readable(interpreter, program.layers),
        "writable": roots.writable(place.iofs, place.temporary),
    }


def environment(
    program: Program, given: Mapping[str, str], interpreter: Interpreter, place: Place | None
) -> dict[str, str]:
    """The instance's whole environment: the image's, then ``given``, then what the driver must set.

    ``place`` is None where it has a root of its own; else paths are those of the host.
    """
    env = dict(program.env)
    if program.host:
        env["PATH"] = ":".join(filter(None, (str(interpreter.bin), env.get("PATH", "/usr/bin:/bin"))))
    if place is None:
        env.setdefault("HOME", "/tmp")  # noqa: S108 - its own
        return {**env, **given, "FN_LISTENER": f"unix:{places.IOFS_INSIDE}/{SOCKET}"}
    found = [program.find(path) for path in env.get("PYTHONPATH", "").split(":") if path.startswith("/")]
    if env.get("PYTHONPATH"):
        env["PYTHONPATH"] = ":".join(str(path) for path in found if path)
    env["TMPDIR"] = env["HOME"] = str(place.temporary)
    function = program.find("/function")
    if function:
        env[FUNCTION_VARIABLE] = str(function)
    return {**env, **given, "FN_LISTENER": f"unix:{place.iofs / SOCKET}"}


def order(
    program: Program,
    request: StartRequest,
    tier: str,
    interpreter: Interpreter,
    place: Place,
    code: str,
    *,
    watched: bool,
) -> Order:
    """What makes a stem cell of :func:`zygote` an instance of ``program``.

    ``code`` names its code in the zygote's store; ``watched`` says that no cgroup limits it.
    """
    own_root = tier == "T2"
    env = environment(program, request.env, interpreter, None if own_root else place)
    env[ID_VARIABLE] = request.instance_id
    return {
        "id": request.instance_id,
        "env": env,
        "cwd": program.cwd if own_root else str(program.find(program.cwd) or place.temporary),
        "code": code,
        "tmp_mb": places.tmp_mb(request.limits.memory_mb),
        "memory_mb": request.limits.memory_mb,
        "processes": PROCESSES,
        "watched": watched,
        "readable": [] if own_root else roots.readable(interpreter, program.layers),
        "writable": [] if own_root else roots.writable(place.iofs, place.temporary),
    }


def zygote(
    strain: Strain, tier: str, interpreter: Interpreter, folder: Path, run: Path, user: HostUser | None
) -> ZygotePlan:
    """The plan of a zygote of this strain, whose instances have their folders in ``run``."""
    own_root = tier == "T2"
    # A Python has what it is told on its path, there or not; on the host's root only what is there is told.
    path = [f"{'' if own_root else layer}{place}" for layer, place in strain.path if own_root or layer]
    root = None
    if own_root:
        own = roots.Own(folder / "root", places.tmp_mb(0), code_store=folder / "code")
        root = _root(strain.layers, strain.uid, None if strain.own_root else interpreter, own)
    return {
        "tier": tier,
        "root": root,
        "uid": strain.uid,
        "gid": strain.gid,
        "user": user,
        "network": strain.network,
        "path": path,
        "without": CODE_INSIDE if strain.own_root else str(Path(__file__).parent),
        "preload": list(strain.preload),
        "python": ENTRYPOINT[0] if strain.own_root else "",
        "env": {**strain.environment, ID_VARIABLE: folder.name},
        "readable": roots.readable(interpreter, [*strain.layers, folder / "code"]),
        "writable": roots.writable(run, run),
    }


def _root(layers: Sequence[Path], uid: int, interpreter: Interpreter | None, own: roots.Own) -> RootPlan:
    """The root that ``layers`` bring, or with an ``interpreter`` this machine's with them on top."""
    if interpreter is None:
        return roots.image_root(layers, own)
    return roots.host_root(interpreter, layers, own, uid)
