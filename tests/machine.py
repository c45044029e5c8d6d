"""A machine of its own for tests: User Mode Linux, with this one's files and a unified hierarchy of cgroups.

Its kernel is a program (``linux.uml``) that any user may run. It has memory and processes of its own;
the files are this machine's, read-only, with a few empty places to write in.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.drivers.test_unprivileged import REPOSITORY, python_path
from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import Sequence

_MEMORY_MB = 2048
# A machine that has just started has a loopback that is down.
_LOOPBACK = """
import fcntl, socket, struct
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 0x41))  # SIOCSIFFLAGS: up, running
"""
_FIRST_PROCESS = """#!/bin/sh
mount -t proc none /proc
mount -t sysfs none /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts none /dev/pts
for folder in /dev/shm /run /var/cache; do mount -t tmpfs -o mode=1777 none $folder; done
mount -t cgroup2 none /sys/fs/cgroup
cd {repository}
export CI={ci} HOME=/run TMPDIR=/run PATH={path} PYTHONPATH={python_path}
{python} -c {loopback}
{command}
echo "ended with $?."
echo o >/proc/sysrq-trigger
sleep 60
"""


def run_tests(chosen: Sequence[str], scratch: Path) -> None:
    """What pytest is to run in there, as root: nothing of it fails, and what is skipped is lacking here."""
    python = shlex.quote(sys.executable)
    first = scratch / "init"
    pytest_there = (
        *(sys.executable, "-B", "-m", "pytest", "-q", "--color=no", "--tb=short"),
        *("-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
    )
    first.write_text(
        _FIRST_PROCESS.format(
            repository=shlex.quote(str(REPOSITORY)),
            path=shlex.quote(os.environ["PATH"]),
            python_path=shlex.quote(python_path()),
            ci=shlex.quote(os.environ.get("CI", "")),
            python=python,
            loopback=shlex.quote(_LOOPBACK),
            command=shlex.join((*pytest_there, *chosen)),
        )
    )
    first.chmod(0o755)
    done = subprocess.run(
        [
            *("linux.uml", f"mem={_MEMORY_MB}M", "root=/dev/root", "rootfstype=hostfs", "ro"),
            *(f"init={first}", "loglevel=3", "con0=null,fd:1", "con=null"),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(scratch), "TMPDIR": str(_for_memory(scratch))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    said = done.stdout.decode(errors="replace")
    if "ended with 0." not in said:
        pytest.fail(f"in the machine of its own:\n{said[-8000:]}", pytrace=False)
    if " skipped" in said:
        lacking(f"in the machine of its own: {said[-2000:]}")


def _for_memory(scratch: Path) -> Path:
    """Where the file that is its memory goes."""
    shared = Path("/dev", "shm")
    try:
        found = os.statvfs(shared)
    except OSError:
        return scratch
    enough = found.f_bavail * found.f_frsize > _MEMORY_MB << 20
    return shared if enough and not found.f_flag & os.ST_NOEXEC else scratch
