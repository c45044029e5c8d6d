"""System calls that Python does not wrap, each raising ``OSError`` that names the call."""

from __future__ import annotations

import _socket as socket  # socket itself takes 6 ms to import
import contextlib
import ctypes
import fcntl
import os

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER = 24, 36
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 2, 4
_PR_SET_SECUREBITS, _SECBITS_NOROOT_LOCKED, _SECBITS_NO_SETUID_FIXUP_LOCKED = 28, 0b11, 0b1100
CAP_DAC_READ_SEARCH, _CAP_SYS_ADMIN = 2, 21
_ALL_OF_OLD = (1 << 32) - 1
"""Those that fit one word: what came later, nothing here needs."""

# Numbers that differ between machines; those from 424 on are the same everywhere.
_NUMBERS = {
    "x86_64": {"pivot_root": 155, "capset": 126},
    "aarch64": {"pivot_root": 41, "capset": 91},
}
_MOUNT_SETATTR = 442
_AT_RECURSIVE, _AT_FDCWD = 0x8000, -100

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def machine() -> str:
    """``x86_64``, ``aarch64``, or what the kernel says."""
    return os.uname().machine


def syscall(what: str, number: int, *args: int | bytes | ctypes.Array[ctypes.c_char]) -> int:
    """Call by number; ``what`` names it in the error.

    Raises:
        OSError: it failed.
    """
    words = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    result = int(_libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        raise _error(what)
    return result


def _number(name: str) -> int:
    try:
        return _NUMBERS[machine()][name]
    except KeyError:
        raise OSError(f"{name}: not known for {machine()}") from None


def _error(what: str) -> OSError:
    errno = ctypes.get_errno()
    return OSError(errno, f"{what}: {os.strerror(errno)}")


def _prctl(what: str, option: int, *args: int) -> None:
    words = [ctypes.c_ulong(arg) for arg in (*args, 0, 0, 0, 0)[:4]]
    if _libc.prctl(option, *words) < 0:
        raise _error(what)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """``mount(2)``."""
    done = _libc.mount(
        os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode()
    )
    if done < 0:
        raise _error(f"mount {kind or source} on {target}")


def set_readonly(target: str, *, devices: bool = False) -> None:
    """Make the mount at ``target``, with all below it, read-only, without set-uid and devices."""
    want = MS_RDONLY | MS_NOSUID | (0 if devices else MS_NODEV)
    # struct mount_attr: set, clear, propagation, userns; MOUNT_ATTR_* equal MS_* for these three.
    attributes = want.to_bytes(8, "little") + bytes(24)
    try:
        path = os.fsencode(target)
        syscall("mount_setattr", _MOUNT_SETATTR, _AT_FDCWD, path, _AT_RECURSIVE, attributes, 32)
    except OSError:
        # Before Linux 5.12: the top mount only, keeping the flags that a user namespace may not clear.
        kept = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
        mount("", target, "", MS_REMOUNT | MS_BIND | want | kept)


def umount(target: str) -> None:
    """Detach the mount at ``target`` at once, even while it is in use."""
    if _libc.umount2(os.fsencode(target), MNT_DETACH) < 0:
        raise _error(f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    """``pivot_root(2)``."""
    syscall("pivot_root", _number("pivot_root"), os.fsencode(new), os.fsencode(old))


def unshare(flags: int) -> None:
    """Leave the namespaces that ``flags`` name for new ones."""
    if _libc.unshare(flags) < 0:
        raise _error("unshare")


def setns(descriptor: int, flags: int) -> None:
    """Enter the namespace that ``descriptor`` is of; a pid namespace is for children to come."""
    if _libc.setns(descriptor, flags) < 0:
        raise _error("setns")


def set_hostname(name: str) -> None:
    """``sethostname(2)``."""
    if _libc.sethostname(name.encode(), len(name)) < 0:
        raise _error("sethostname")


def loopback_up() -> None:
    """Bring up ``lo`` in this network namespace."""
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
    opened = socket.socket(socket.AF_INET, kind)
    try:
        request = b"lo".ljust(16, b"\0") + (0x1 | 0x40).to_bytes(2, "little")  # IFF_UP, IFF_RUNNING
        fcntl.ioctl(opened, 0x8914, request.ljust(40, b"\0"))  # SIOCSIFFLAGS
    finally:
        opened.close()


def die_with_parent(signal: int) -> None:
    """Get ``signal`` when the parent ends. The caller must still check that it has not ended yet."""
    _prctl("PR_SET_PDEATHSIG", _PR_SET_PDEATHSIG, signal)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl("PR_SET_CHILD_SUBREAPER", _PR_SET_CHILD_SUBREAPER, 1)


def set_dumpable(dumpable: bool) -> None:
    """False keeps processes of the same user from reading this one's memory or descriptors."""
    _prctl("PR_SET_DUMPABLE", _PR_SET_DUMPABLE, int(dumpable))


def no_new_privileges() -> None:
    """From here on no ``exec`` gives more rights than its caller has."""
    _prctl("PR_SET_NO_NEW_PRIVS", _PR_SET_NO_NEW_PRIVS, 1)


def may_administer() -> bool:
    """True if this process holds CAP_SYS_ADMIN, whoever it is."""
    return bool(effective_capabilities() >> _CAP_SYS_ADMIN & 1)


def effective_capabilities() -> int:
    """Those that this process holds, one bit each."""
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"CapEff:"):
                return int(line.split()[1], 16)
    return 0


def drop_bounding_set(but: int = -1) -> None:
    """Take every capability out of reach of later ``exec`` calls, as far as this process may.

    ``but`` one can be kept by a user that is not root, and counts for ``access(2)`` too.
    """
    bits = _SECBITS_NOROOT_LOCKED | (_SECBITS_NO_SETUID_FIXUP_LOCKED if but >= 0 else 0)
    # Ends past the last capability, or at once without CAP_SETPCAP: then there is no way up either.
    with contextlib.suppress(OSError):
        _prctl("PR_SET_SECUREBITS", _PR_SET_SECUREBITS, bits)
        for capability in range(64):
            if capability != but:
                _prctl("PR_CAPBSET_DROP", _PR_CAPBSET_DROP, capability)


def drop_capabilities() -> None:
    """Hold no capability at all."""
    with contextlib.suppress(OSError):  # before Linux 4.3 there were none
        _prctl("PR_CAP_AMBIENT", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    _set_capabilities(0)


def keep_capability(number: int) -> None:
    """Hold this one alone, and have what is executed hold it too.

    Raises:
        OSError: it was not held.
    """
    _set_capabilities(1 << number)
    _prctl("PR_CAP_AMBIENT", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number)


def keep_all_capabilities() -> None:
    """Have what is executed hold all that this process does; :func:`hand_down_none` takes it back.

    Raises:
        OSError: not all were held.
    """
    _set_capabilities(_ALL_OF_OLD)
    for number in range(_ALL_OF_OLD.bit_length()):
        _prctl("PR_CAP_AMBIENT", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number)


def hand_down_none() -> None:
    """Have what is executed hold no capability."""
    _prctl("PR_CAP_AMBIENT", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)


def _set_capabilities(held: int) -> None:
    """Effective, permitted and inheritable; only the first 32 are known here."""
    header = ctypes.create_string_buffer((0x20080522).to_bytes(4, "little") + bytes(4), 8)
    words = ctypes.create_string_buffer(held.to_bytes(4, "little") * 3 + bytes(12), 24)
    syscall("capset", _number("capset"), header, words)


@contextlib.contextmanager
def files_as(uid: int) -> Iterator[None]:
    """This thread reaches files, those of ``/proc`` too, as user and group ``uid``; it has to be root."""
    _libc.setfsgid(uid)
    _libc.setfsuid(uid)
    try:
        yield
    finally:
        _libc.setfsuid(os.geteuid())
        _libc.setfsgid(os.getegid())


def install_filter(program: bytes) -> None:
    """Put a seccomp filter (an array of ``struct sock_filter``) before every later system call."""
    code = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    holder = Program(len(program) // 8, ctypes.addressof(code))
    _prctl("seccomp", 22, 2, ctypes.addressof(holder))
