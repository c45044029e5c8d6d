"""Functions that misbehave, and what is to come of each at every tier.

The table in docs/sandbox.md is made from them.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TIERS = ("T0", "T1", "T2")
Each = tuple[str, str, str]
"""For T0, T1 and T2."""

PREAMBLE = '''\
import ctypes, mmap, os, resource, signal, socket, stat, subprocess, sys, tempfile, threading, time

def attempt(*deeds):
    """Whether every one of them is refused."""
    said = []
    for deed in deeds:
        try:
            said.append((False, repr(deed())[:100]))
        except Exception as error:
            said.append((True, f"{type(error).__name__}: {error}"))
    return {"held": all(held for held, _ in said), "said": said}

def connection(listening=False):
    """The socket that this call came in on, or the one that it listens on."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                found = socket.socket(fileno=os.dup(int(name)))
                if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == listening:
                    return found
        except OSError:
            continue

def read(path):
    with open(path, "rb") as file:
        return file.read(64)

def write(path):
    with open(path, "wb") as file:
        file.write(b"x")
    os.unlink(path)

def system_call(number, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(number), *(ctypes.c_long(arg) for arg in args)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def daemon(seconds):
    """Leaves everything by which a parent could find it."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve("/bin/sleep", ["sleep", seconds], {})
        os._exit(0)
    os.wait()

'''


@dataclass(frozen=True)
class Case:
    """``deed`` is the body of ``f(x)``, where ``x`` says what there is to attack (:class:`Target`).

    With ``held``, ``f`` tells whether it was kept from it, and that is to be so at each tier. Without, its
    call is to end with ``status`` and a message like ``says`` (for all tiers, or one for each).
    """

    name: str
    what: str
    deed: str
    status: int | tuple[int, ...] = 200
    """0: the caller sees the answer break off."""
    says: str | Each = ""
    hint: str = ""
    held: Each | None = None
    without_groups: Each | None = None
    """``held`` where no cgroups can be made, if that is something else."""
    as_user: Each | None = None
    """``held`` where the executor is not root, if that is something else."""
    limits: Mapping[str, object] = field(default_factory=dict)
    before: str = ""
    """Code of the module."""
    note: str = ""
    """For the table."""
    again: bool = True
    """The next call, with ``x`` None, is answered as if nothing had been."""

    @property
    def statuses(self) -> tuple[int, ...]:
        return self.status if isinstance(self.status, tuple) else (self.status,)

    @property
    def source(self) -> str:
        body = f"if x is None:\n    return 'well'\n{textwrap.dedent(self.deed).strip()}\n"
        return f"{PREAMBLE}{self.before}\n\ndef f(x):\n{textwrap.indent(body, '    ')}"

    def expected(self, tier: str) -> str:
        """A pattern for its message at this tier."""
        return self.says if isinstance(self.says, str) else self.says[TIERS.index(tier)]


LOST = "error receiving function response: "
NOT_STARTED = "Container failed to initialize, .*: it ended before its socket was there: "
OF_MEMORY = f"{LOST}out of memory: more than 128 MB"
YES: Each = ("yes", "yes", "yes")
BUT_T0: Each = ("no", "yes", "yes")
T2: Each = ("no", "no", "yes")
SHORT = {"timeout": 1}
