"""Giving up rights, in the order that works."""

from __future__ import annotations

import os

from . import landlock, linux, namespaces, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .plan import HostUser


def become(uid: int, gid: int) -> bool:
    """From root to ``uid:gid``, in a user namespace of its own if the machine allows one.

    True with such a namespace: processes are then counted for this instance alone. The other
    namespaces hold without it.
    """
    linux.drop_bounding_set()
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    linux.set_dumpable(True)  # else /proc/self/uid_map belongs to root
    try:
        namespaces.enter_user(uid, gid)
    except OSError:
        return False
    return True


def step_down(user: HostUser | None) -> None:
    """From root to ``user``, who holds no capability, or the one to read; who stays root holds none.

    Raises:
        OSError: the kernel refused.
    """
    if user is None:
        drop_all()
        return
    search = user["search"]
    linux.drop_bounding_set(but=linux.CAP_DAC_READ_SEARCH if search else -1)
    os.setgroups([])
    os.setresgid(user["id"], user["id"], user["id"])
    os.setresuid(user["id"], user["id"], user["id"])
    if search:
        linux.keep_capability(linux.CAP_DAC_READ_SEARCH)
    else:
        linux.drop_capabilities()


def drop_all() -> None:
    """Hold no capability, with no way back to one."""
    linux.drop_bounding_set()
    linux.drop_capabilities()


def confine(readable: Sequence[str], writable: Sequence[str], *, network: bool, own_root: bool) -> None:
    """From here on: no new rights by ``exec``, no other files than these, no dangerous system calls.

    Files are Landlock's work. A kernel without it will do where ``own_root`` already hides them.

    Raises:
        OSError: the kernel refused, or has no seccomp or (where it is needed) no Landlock.
    """
    linux.no_new_privileges()
    version = landlock.abi()
    if version:
        landlock.restrict(readable, writable, version)
    elif not own_root:
        raise OSError("landlock: this kernel has none")
    linux.install_filter(seccomp.program(linux.machine(), network=network))
