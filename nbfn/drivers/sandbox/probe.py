"""What this machine allows: tries each tier, highest first, with a real process."""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.drivers import exits
from nbfn.drivers.base import Isolation, StartRequest
from nbfn.drivers.sandbox import plans
from nbfn.drivers.sandbox.confine import landlock
from nbfn.drivers.sandbox.image import Program
from nbfn.drivers.sandbox.spawn import spawn
from nbfn.spec import ImageRef, Limits

if TYPE_CHECKING:
    from nbfn.drivers.sandbox.confine.plan import HostUser, Plan, Report
    from nbfn.drivers.sandbox.ground import Ground
    from nbfn.drivers.sandbox.interpreter import Interpreter

_PATIENCE_S = 10

TIERS = ("T2", "T1", "T0")
_WATCHED = "memory watched"
_GAINS = {
    "T0": ("own session", "rlimits", _WATCHED, "dies with the executor"),
    "T1": ("no_new_privs", "seccomp", "Landlock"),
    "T2": ("own user", "mount, pid, ipc and uts namespaces", "own read-only root", "sized /tmp"),
}


@functools.cache
def probe(interpreter: Interpreter, highest: str) -> Isolation:
    """The highest tier, up to ``highest``, at which a process starts here, and why not a higher one.

    Tried once per process: machines do not change their mind.
    """
    missing: list[str] = []
    for tier in TIERS:
        if tier > highest:
            missing.append(f"{tier} ({', '.join(_GAINS[tier])}): switched off by NBFN_TIER={highest}")
            continue
        reason = attempt(interpreter, tier)
        if not reason:
            return Isolation(tier, _mechanisms(tier), (*missing, *_gaps(tier, interpreter)))
        missing.append(f"{tier} ({', '.join(_GAINS[tier])}): {reason}")
    # Nothing ran, not even unconfined: starts will say so themselves, each with its reason.
    return Isolation("T0", (), tuple(missing))


@functools.cache
def layered(interpreter: Interpreter) -> str:
    """Why no root can be made of an image's layers at T2; empty if one can."""
    if "overlay" in Path("/proc/filesystems").read_text("ascii").split():
        return ""
    # It may be a module, which the kernel loads when it is wanted.
    reason = attempt(interpreter, "T2", own_root=True)
    return reason if reason.startswith("mount overlay") else ""


def limited(isolation: Isolation, groups: int | str) -> Isolation:
    """``isolation`` with cgroups of this version, or without any for this reason."""
    if isinstance(groups, int):
        found = f"cgroup v{groups} limits of memory and processes"
        kept = tuple(gain for gain in isolation.mechanisms if gain != _WATCHED)
        return replace(isolation, mechanisms=(*kept, found))
    gap = f"cgroup limits ({groups}): memory is looked at, without files in it that no process maps"
    return replace(isolation, missing=(*isolation.missing, gap))


def with_user(isolation: Isolation, ground: Ground, why: str) -> Isolation:
    """``isolation`` where instances are users of their own, or root's for this reason."""
    if why:
        gap = f"own user ({why}): functions run as root, without its capabilities"
        return replace(isolation, missing=(*isolation.missing, gap))
    if not ground.own_users:
        return isolation
    found = "own user" + (", who may read everything" if ground.search and isolation.tier == "T0" else "")
    return replace(isolation, mechanisms=(*isolation.mechanisms, found))


def attempt(
    interpreter: Interpreter,
    tier: str,
    user: HostUser | None = None,
    within: Path | None = None,
    *,
    own_root: bool = False,
) -> str:
    """Why nothing can be started at ``tier`` (as ``user``, in a folder ``within``, in an empty root of an
    image's own); empty if it can."""
    folder = Path(tempfile.mkdtemp(prefix="nbfn-probe-", dir=within))
    try:
        place = plans.Place(folder)
        if within:
            folder.chmod(0o711)
        for path in (place.iofs, place.temporary, place.mountpoint):
            path.mkdir()
        argv = (str(interpreter.executable), "-S", "-I", "-B", "-c", "pass")
        layers, host = ((place.temporary,), "") if own_root else ((), interpreter.soabi)
        program = Program(layers, argv, {}, "/", 1000, 1000, host)
        request = StartRequest("probe", ImageRef("probe"), Limits(memory_mb=512))
        if user:
            os.chown(place.temporary, user["id"], user["id"])
        return _run(plans.make(program, request, tier, interpreter, place, user=user), interpreter)
    except OSError as error:
        return str(error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(plan: Plan, interpreter: Interpreter) -> str:
    supervisor = spawn(plan, "probe", interpreter)
    told = b""
    try:
        with supervisor.control as control:
            control.settimeout(_PATIENCE_S)
            while part := control.recv(1 << 16):
                told += part
    except TimeoutError:
        return f"the test did not end in {_PATIENCE_S} s"
    finally:
        supervisor.watcher.kill()
        supervisor.watcher.wait()
        os.close(supervisor.stdout)
        os.close(supervisor.stderr)
    if not told:
        return "the supervisor died"
    report: Report = json.loads(told)
    status = report.get("status", 0)
    return report.get("failed", "") or (exits.from_status(status).cause if status else "")


def _mechanisms(tier: str) -> tuple[str, ...]:
    gains = [gain for each in reversed(TIERS) if each <= tier for gain in _GAINS[each]]
    version = landlock.abi()
    return tuple(
        f"Landlock {version}" if gain == "Landlock" else gain
        for gain in gains
        if version or gain != "Landlock"
    )


def _gaps(tier: str, interpreter: Interpreter) -> tuple[str, ...]:
    gaps = []
    version = landlock.abi()
    if tier != "T0" and version < 6:
        gaps.append(f"Landlock 6 (no signals to processes outside): this kernel has {version}")
    if tier == "T2" and (reason := layered(interpreter)):
        gaps.append(f"overlayfs, for images with a root of their own: {reason}")
    return tuple(gaps)
