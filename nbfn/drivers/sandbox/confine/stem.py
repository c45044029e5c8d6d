"""A stem cell: two processes forked from a zygote and isolated, which wait to become an instance.

One will run the function. The other watches over it, as the supervisor of :mod:`.launch` does, and is
process 1 of their namespace (T2). The driver's order says which code, limits and environment, and
brings what to listen on, where to write, and where to say "ready".
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from _socket import AF_UNIX, SOCK_STREAM, socket, socketpair

from . import execute, limits, linux, namespaces, passing, privileges, proctree, supervise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

    from .mark import Mark
    from .plan import Order, Report, ZygotePlan

CODE_STORE = "/.code"
"""Where a zygote with a root of its own finds the code of its functions. Each instance sees its own only."""

_SIGKILL = 9
_QUIET = linux.MS_NOSUID | linux.MS_NODEV
_INSIDE_WRITABLE = ("/tmp", "/dev")
_FUNCTION = "/function"
# The folders of a script that stands in the place of Python; its function works elsewhere.
_OF_A_SHELL = ("PWD", "OLDPWD")


def fork(
    plan: ZygotePlan, control: socket, doors: Sequence[int], pids: int, mark: Mark
) -> tuple[int, int] | None:
    """Fork a stem cell that is ordered over ``control``.

    Returns None in the zygote, at once. Returns in the function's process when there is a function,
    with its descriptors to listen and to say "ready" on. ``doors`` lead to its cgroups; ``pids`` is the
    zygote's own pid namespace.
    """
    own_root = plan["root"] is not None
    try:
        if own_root:
            linux.unshare(linux.CLONE_NEWPID)
        try:
            child = os.fork() == 0
        except OSError:
            child = False
            passing.send(control, {"failed": "the system allows no more processes"})
        if not child:
            control.close()
            limits.close(doors)
            if own_root:  # what is forked next does not belong to the same instance
                linux.setns(pids, linux.CLONE_NEWPID)
            return None
        return _live(plan, control, doors, mark)
    except OSError as error:
        with contextlib.suppress(OSError):
            passing.send(control, {"failed": error.strerror or str(error)})
        os._exit(1)


def _live(plan: ZygotePlan, control: socket, doors: Sequence[int], mark: Mark) -> tuple[int, int]:
    """The watcher: isolate, fork the function's process, pass the order on, wait for the end."""
    own_root = plan["root"] is not None
    _close_all_but(control.fileno(), *doors)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    if own_root:
        namespaces.enter_own(network=plan["network"])
        linux.mount("proc", "/proc", "proc", _QUIET | linux.MS_NOEXEC)
        linux.mount("tmpfs", "/tmp", "tmpfs", _QUIET, _sized(1))
        linux.mount("tmpfs", "/dev/shm", "tmpfs", _QUIET | linux.MS_NOEXEC, _sized(1))
    else:
        linux.adopt_orphans()
    inner, to_function = socketpair(AF_UNIX, SOCK_STREAM)
    watcher = os.getpid()
    pid = os.fork()
    if pid == 0:
        control.close()
        to_function.close()
        try:
            counted = _give_up_rights(plan, doors, watcher)
            passing.send(inner, {})
            return _wait_for_order(plan, inner, mark, counted=counted)
        except OSError as error:
            with contextlib.suppress(OSError):
                passing.send(inner, {"failed": error.strerror or str(error)})
            os._exit(127)
    inner.close()
    limits.close(doors)
    grown, _ = passing.receive(to_function)
    passing.send(control, grown if grown is not None else {"failed": "it died while it was isolated"})
    message, descriptors = passing.receive(control)
    if message is None:
        os._exit(0)  # and the function's process sees the end of the pair
    order: Order = message  # type: ignore[assignment]  # as the driver wrote it
    mark.set(order["id"])
    if own_root:
        _show_code(order)
        linux.drop_capabilities()  # it executes nothing, so there is no way back to one
        linux.no_new_privileges()
    passing.send(to_function, order, descriptors)
    to_function.close()
    for descriptor in descriptors:
        os.close(descriptor)
    return _watch(order, pid, control, own_root=own_root)


def _watch(order: Order, pid: int, control: socket, *, own_root: bool) -> NoReturn:
    signals = supervise.listen_to_signals()
    watch = None
    if order["watched"]:
        own = os.getpid()
        watch = supervise.Watch(lambda: proctree.descendants(own), order["memory_mb"], order["processes"])
    status = supervise.until_ended(pid, control.fileno(), signals, watch)
    if not own_root:
        supervise.end_all_below()
    report: Report = {"status": status, "over": watch.over if watch else ""}
    with contextlib.suppress(OSError):  # the driver has gone: nobody to tell
        passing.send(control, report)
    os._exit(0)  # and the kernel ends all that is left in the namespace


def _show_code(order: Order) -> None:
    """Its own code at ``/function``, nobody else's, and as much ``/tmp`` as it may have."""
    linux.mount(f"{CODE_STORE}/{order['code']}/function", _FUNCTION, "", linux.MS_BIND)
    # Over it: the zygote's mounts are locked, so that nothing in it can take them away.
    linux.mount("tmpfs", CODE_STORE, "tmpfs", _QUIET | linux.MS_RDONLY, "size=4k,mode=0")
    size = _sized(order["tmp_mb"])
    linux.mount("tmpfs", "/tmp", "tmpfs", _QUIET | linux.MS_REMOUNT, size)
    linux.mount("tmpfs", "/dev/shm", "tmpfs", _QUIET | linux.MS_NOEXEC | linux.MS_REMOUNT, size)


def _give_up_rights(plan: ZygotePlan, doors: Sequence[int], watcher: int) -> bool:
    """The function's process, before it is anybody's. True if its processes are counted by themselves."""
    own_root = plan["root"] is not None
    limits.enter_groups(doors)
    os.setsid()
    counted = own_root and _enter_user(plan)
    if own_root:  # else the zygote has none to give up
        privileges.drop_all()
        privileges.confine(["/"], _INSIDE_WRITABLE, network=plan["network"], own_root=True)
    linux.set_dumpable(True)
    linux.die_with_parent(_SIGKILL)
    if not own_root and os.getppid() != watcher:
        os._exit(1)
    return counted


def _wait_for_order(plan: ZygotePlan, inner: socket, mark: Mark, *, counted: bool) -> tuple[int, int]:
    """Become what the order says."""
    own_root = plan["root"] is not None
    message, descriptors = passing.receive(inner)
    if message is None:
        os._exit(0)
    inner.close()
    order: Order = message  # type: ignore[assignment]  # as the driver wrote it
    listener, stdout, stderr, ready = descriptors
    for given, standard in ((stdout, 1), (stderr, 2)):
        os.dup2(given, standard)
        os.close(given)
    mark.set(order["id"])
    try:
        if plan["tier"] == "T1":
            privileges.confine(order["readable"], order["writable"], network=plan["network"], own_root=False)
        if own_root:
            processes = order["processes"] if counted else 0
        else:
            processes = limits.processes_beside_others(order["processes"])
        limits.apply(order["memory_mb"], processes)
        _take_on(order, plan["env"])
    except OSError as error:  # there is nobody to tell but whoever reads its output
        os.write(2, f"nbfn: {error.strerror or error}\n".encode())
        os._exit(1)
    return listener, ready


def _enter_user(plan: ZygotePlan) -> bool:
    """A user namespace of its own: its processes are then counted apart from other instances'."""
    try:
        namespaces.enter_user(plan["uid"], plan["gid"])
    except OSError:
        return False
    return True


def _take_on(order: Order, began_with: Mapping[str, str]) -> None:
    """Everything that a new interpreter would have found in its environment.

    What Python itself set when it started (``LC_CTYPE``), or packages when they were imported, stays.
    """
    own = {name: value for name, value in os.environ.items() if began_with.get(name) != value}
    os.environ.clear()
    os.environ.update({**own, **order["env"]})
    for folder in _OF_A_SHELL:
        if folder not in order["env"]:
            os.environ.pop(folder, None)
    time.tzset()
    execute.work_in(order["cwd"])
    supervise.forget_signals()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_IGN)
    # Python's own generator is seeded by each fork; numpy's global one is not.
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def _close_all_but(*kept: int) -> None:
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor > 2 and descriptor not in kept:
            with contextlib.suppress(OSError):  # the listing's own has gone already
                os.close(descriptor)


def _sized(mb: int) -> str:
    return f"size={mb}m,mode=1777"
