"""Packages for another place than this kernel, from wheels: by uv where it is installed, else by pip."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.containerize import packages
from nbfn.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbfn.containerize.packages import Package
    from nbfn.containerize.target import Target

# The versions of glibc that uv has names for.
_UV_GLIBC = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)
_SAID_LINES = 6


def installer() -> str:
    """``uv`` or ``pip``: what fetches wheels here; beside this Python, or on the PATH."""
    return "uv" if _uv() else "pip"


@contextlib.contextmanager
def fetched(
    wanted: Sequence[str], target: Target, *, pins: Sequence[str] = (), alone: bool = False
) -> Iterator[tuple[Package, ...]]:
    """The packages of the requirements ``wanted``, and all that they require, unpacked for ``target``.

    They are there until the context ends. ``pins`` (``name==version``) holds what else is on the base to
    its version. ``alone``: without what they require.

    Raises:
        RequirementError: there is no wheel of one for the target, or the index cannot be reached; says
            what the installer said.
    """
    with tempfile.TemporaryDirectory(prefix="nbfn-wheels-") as name:
        folder = Path(name) / "site"
        constraints = Path(name) / "constraints.txt"
        constraints.write_text("".join(f"{pin}\n" for pin in pins))
        command = _command(target, folder, constraints, alone=alone)
        done = subprocess.run([*command, *wanted], capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in done.stderr.strip().splitlines() if not line.startswith("WARNING")]
            raise RequirementError(
                f"no wheels could be had of {', '.join(wanted)} for {target}: "
                + "\n".join(said[-_SAID_LINES:]),
                hint="pin a version that has a wheel for that base, use another base, or base='host'",
            )
        found = importlib.metadata.distributions(path=[str(folder)])
        yield tuple(sorted((packages.from_wheel(x) for x in found), key=lambda package: package.key))


def _uv() -> str | None:
    own = Path(sys.executable).parent
    return shutil.which("uv", path=f"{own}{os.pathsep}{os.defpath}") or shutil.which("uv")


def _command(target: Target, folder: Path, constraints: Path, *, alone: bool) -> list[str]:
    common = ["--target", str(folder), "--only-binary", ":all:", "--constraint", str(constraints)]
    if alone:
        common.append("--no-deps")
    uv = _uv()
    if uv is not None and target.machine in ("x86_64", "aarch64"):
        place = ["--python-version", str(target.python), "--python-platform", _uv_platform(target)]
        return [uv, "pip", "install", "--quiet", "--python", sys.executable, *place, *common]
    place = ["--python-version", str(target.python), "--implementation", "cp"]
    for platform in target.platforms:
        place += ["--platform", platform]
    return [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-compile", "--no-warn-conflicts"),
        *place,
        *common,
    ]


def _uv_platform(target: Target) -> str:
    if target.libc == "musl":
        return f"{target.machine}-unknown-linux-musl"
    known = [minor for minor in _UV_GLIBC if minor <= target.libc_version[1]]
    return f"{target.machine}-manylinux_2_{known[-1] if known else _UV_GLIBC[0]}"
