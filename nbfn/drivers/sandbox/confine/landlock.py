"""Landlock: the kernel refuses every path that was not named, whoever the process is.

It needs no rights and works inside Docker's default profile, so it is what keeps the executor's own
files from functions where there are no namespaces.
"""

from __future__ import annotations

import os
import stat

from . import linux

TYPE_CHECKING = False  # typing costs more to import than this module
if TYPE_CHECKING:
    from collections.abc import Sequence

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2


def abi() -> int:
    """The kernel's Landlock version; 0 if it has none."""
    try:
        return linux.syscall("landlock", _CREATE_RULESET, 0, 0, 1)
    except OSError:
        return 0


def handled_access(version: int) -> int:
    """Every kind of file access that Landlock of this version can refuse."""
    access = (1 << 13) - 1
    if version >= 2:
        access |= _REFER
    if version >= 3:
        access |= _TRUNCATE
    if version >= 5:
        access |= _IOCTL_DEV
    return access


def restrict(readable: Sequence[str], writable: Sequence[str], version: int) -> None:
    """Leave this process and its children only ``readable`` and ``writable`` (with what is below).

    From version 6 on it also keeps them from signalling, and from reaching abstract sockets of,
    processes outside. Paths that do not exist are skipped. Needs ``no_new_privileges`` first.

    Raises:
        OSError: the kernel refused.
    """
    access = handled_access(version)
    attributes = access.to_bytes(8, "little")
    if version >= 4:
        attributes += bytes(8)  # TCP: all allowed
    if version >= 6:
        attributes += (_SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS).to_bytes(8, "little")
    ruleset = linux.syscall("landlock_create_ruleset", _CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for path in readable:
            _allow(ruleset, path, access & _READ)
        for path in writable:
            _allow(ruleset, path, access)
        linux.syscall("landlock_restrict_self", _RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):  # what is out of reach needs no leave
        return
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            access &= _OF_FILES
        rule = access.to_bytes(8, "little") + opened.to_bytes(4, "little")
        linux.syscall("landlock_add_rule", _ADD_RULE, ruleset, 1, rule, 0)
    finally:
        os.close(opened)
