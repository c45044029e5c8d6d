"""Namespaces: what the process sees of the machine."""

from __future__ import annotations

import os

from . import linux


def enter_user(uid: int, gid: int) -> None:
    """Be ``uid:gid`` in a new user namespace, where this process holds every capability.

    Outside it stays who it was. Only one user exists inside.

    Raises:
        OSError: the machine does not allow it.
    """
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {outer_uid} 1")
    _write("/proc/self/gid_map", f"{gid} {outer_gid} 1")


def enter_own(*, network: bool) -> None:
    """Leave the host's mounts, IPC, host name and, without ``network``, its network interfaces.

    Raises:
        OSError: refused.
    """
    flags = linux.CLONE_NEWNS | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS
    linux.unshare(flags if network else flags | linux.CLONE_NEWNET)
    linux.set_hostname("nbfn")
    if not network:
        linux.loopback_up()


def _write(path: str, text: str) -> None:
    opened = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(opened, text.encode())
    except OSError as error:
        raise OSError(error.errno, f"{path}: {error.strerror}") from None
    finally:
        os.close(opened)
