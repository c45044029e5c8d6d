"""A process with the libraries of functions imported, from which their instances are forked.

It runs inside the root of its images (T2) or sees no more than they may (T1), as their user, and has
a single thread, since a fork copies only one. It imports what packages hold, never a function's own
code, and never sees a function's configuration. What imports run there is as trusted as the functions
that use those packages: it can reach nothing else.

::

    driver ── launcher ─ (T2: guard, pid 1 of an outer namespace) ─ (T2: reaper, pid 1 of an inner one)
                            └ zygote
                                 └ stem cells and instances: :mod:`.stem`

In a root that an image brings, the zygote is that image's own Python: the process becomes it, with this
package's files at hand, once all that takes this machine's is done.

When the driver's end of ``alive`` closes, however the driver ended, the guard (T0, T1: the launcher) ends,
and everything below with it. A zygote that ends alone leaves its instances to the reaper, unharmed.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import sys
from _socket import socket

from . import execute, linux, mark, namespaces, passing, privileges, proctree, rootfs, stem, supervise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from .plan import ZygotePlan

CODE_INSIDE = f"{stem.CODE_STORE}/.zygote"
"""Where the Python of an image's root finds this package. Instances do not see it."""

_SIGKILL = 9
_RESUME = (
    "import sys; sys.path.insert(0, sys.argv[3]); "
    "from confine import zygote; zygote.resume(int(sys.argv[1]), int(sys.argv[2]))"
)
_PROC = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
# What the runtime imports when it first needs it: here it costs the instances nothing.
_OF_THE_RUNTIME = ("nbfn_runtime.start", "nbfn_runtime.frames", "hashlib", "hmac", "inspect", "traceback")


def main(control_descriptor: int, alive: int) -> None:
    """Be what the driver says over ``control``. In an instance: serve its function.

    Raises:
        SystemExit: the function's process is to end.
    """
    control = socket(fileno=control_descriptor)
    for descriptor in (control_descriptor, alive):
        os.set_inheritable(descriptor, False)
    os.umask(0o022)  # of the root that it makes, and of the functions
    message, _ = passing.receive(control)
    if message is None:
        os._exit(0)
    # Everything that this package needs is imported by now: its files are out of reach of the new root.
    plan: ZygotePlan = message  # type: ignore[assignment]  # as the driver wrote it
    own_mark = mark.Mark()
    with _failures_told(control):
        _found(plan, control, alive)
        if plan["python"]:
            _become(plan, control)
        listener, ready = _be_zygote(plan, control, own_mark)
    _serve(listener, ready)


def resume(control_descriptor: int, plan_descriptor: int) -> None:
    """Go on as the image's own Python, in its root. In an instance: serve its function.

    Raises:
        SystemExit: the function's process is to end.
    """
    control = socket(fileno=control_descriptor)
    os.set_inheritable(control_descriptor, False)
    own_mark = mark.Mark()
    with _failures_told(control):
        linux.hand_down_none()
        with open(plan_descriptor, encoding="utf-8") as written:
            plan: ZygotePlan = json.load(written)
        listener, ready = _be_zygote(plan, control, own_mark)
    _serve(listener, ready)


def _become(plan: ZygotePlan, control: socket) -> NoReturn:
    """Be the Python of the root that this process is in, and go on at :func:`resume`.

    Raises:
        OSError: there is none, or it cannot be executed.
    """
    written = os.memfd_create("plan")  # an image's environment may be more than a socket or a pipe holds
    with open(written, "w", encoding="utf-8", closefd=False) as file:
        json.dump(plan, file)
    os.lseek(written, 0, os.SEEK_SET)
    for kept in (control.fileno(), written):
        os.set_inheritable(kept, True)
    linux.keep_all_capabilities()
    arguments = ["-S", "-B", "-c", _RESUME, str(control.fileno()), str(written), plan["without"]]
    execute.become([plan["python"], *arguments], plan["env"])


@contextlib.contextmanager
def _failures_told(control: socket) -> Iterator[None]:
    """What the system refuses goes to the driver, and is the end."""
    try:
        yield
    except OSError as error:
        with contextlib.suppress(OSError):
            passing.send(control, {"failed": error.strerror or str(error)})
        os._exit(1)


def _serve(listener: int, ready: int) -> None:
    """In an instance: be the interpreter that runs its function."""

    def announce() -> None:
        with contextlib.suppress(OSError):  # nobody waits for it any more
            os.write(ready, b"R")
        os.close(ready)

    start = sys.modules[_OF_THE_RUNTIME[0]]
    sys.argv[:] = [f"{os.path.dirname(str(start.__file__))}/__main__.py"]
    start.run(socket(fileno=listener), announce)


# The family


def _found(plan: ZygotePlan, control: socket, alive: int) -> None:
    """Returns in the process that becomes the zygote; those above it stay, to end what is below."""
    if plan["root"] is None:
        linux.adopt_orphans()
        if os.fork():
            control.close()
            _mind(alive)
            supervise.end_all_below()
            os._exit(0)
        os.close(alive)
        return
    root_user = linux.may_administer()
    if not root_user:
        namespaces.enter_user(plan["uid"], plan["gid"])
    linux.unshare(linux.CLONE_NEWPID)
    guard = os.fork()
    if guard:
        control.close()
        os.close(alive)
        os.waitpid(guard, 0)
        os._exit(0)
    _be_guard(plan, control, alive, root_user=root_user)
    os.close(alive)


def _be_guard(plan: ZygotePlan, control: socket, alive: int, *, root_user: bool) -> None:
    """Process 1 of the outer namespace. Returns in the zygote.

    The root is built with rights that the zygote will not have: in a user namespace below, its
    mounts are locked.
    """
    assert plan["root"] is not None
    os.setsid()
    namespaces.enter_own(network=True)
    rootfs.enter(plan["root"])
    if root_user:
        if not privileges.become(plan["uid"], plan["gid"]):
            raise OSError("a user namespace: not allowed")
    else:
        namespaces.enter_user(plan["uid"], plan["gid"])
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWPID)
    if os.fork():
        control.close()
        privileges.drop_all()
        linux.die_with_parent(_SIGKILL)
        linux.set_dumpable(False)
        _mind(alive)
        os._exit(0)  # and the kernel ends all that is left in the namespaces
    linux.mount("proc", "/proc", "proc", _PROC)
    if os.fork():
        control.close()
        os.close(alive)
        _mind(None)
        os._exit(0)


def _mind(alive: int | None) -> None:
    """Reap children until there is none, or until ``alive`` closes."""
    signals = supervise.listen_to_signals()
    poll = select.poll()
    poll.register(signals, select.POLLIN)
    if alive is not None:
        poll.register(alive, select.POLLIN)
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for descriptor, _ in poll.poll():
            if descriptor == alive:
                return
            os.read(signals, 512)


# The zygote


def _be_zygote(plan: ZygotePlan, control: socket, own_mark: mark.Mark) -> tuple[int, int]:
    """Import, then fork a stem cell whenever the driver asks. Returns in the function's process."""
    own_root = plan["root"] is not None
    if not own_root:
        privileges.step_down(plan["user"])
        if plan["tier"] != "T0":
            privileges.confine(plan["readable"], plan["writable"], network=True, own_root=False)
    linux.set_dumpable(True)  # changes of user cleared it: /proc/self would be root's
    sys.path[:] = [*plan["path"], *(path for path in sys.path if path and path != plan["without"])]
    failed = _import_all(plan["preload"])
    _hide(plan["without"])
    gc.collect()
    gc.freeze()  # or the first collection in each instance would copy every object's page
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC) if own_root else -1
    passing.send(control, {"not_imported": failed})
    while True:
        message, descriptors = passing.receive(control)
        if message is None:
            os._exit(0)
        born = stem.fork(plan, socket(fileno=descriptors[0]), descriptors[1:], pids, own_mark)
        if born is not None:
            return born


def _hide(folder: str) -> None:
    """A function may have modules of the same names as this package's (in ``folder``), which it shall not
    find; nor, in ``__main__``, what this process was started with."""
    package = __name__.partition(".")[0]
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
    for path in [path for path in sys.path_importer_cache if path.startswith(folder)]:
        del sys.path_importer_cache[path]
    for name in ("sys", "zygote"):
        vars(sys.modules["__main__"]).pop(name, None)


def _import_all(preload: list[str]) -> list[str]:
    """Import the runtime and ``preload``; returns what could not be imported.

    Raises:
        OSError: what came of it cannot be forked.
    """
    failed = [name for name in _OF_THE_RUNTIME if not _import(name)]
    if _OF_THE_RUNTIME[0] in failed:
        raise OSError(f"the image's runtime cannot be imported: {_OF_THE_RUNTIME[0]}")
    open_before = _open_descriptors()
    failed += [name for name in preload if not _import(name)]
    what = f"importing {', '.join(preload)}"
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise OSError(f"{what} started {threads - 1} threads")
    if proctree.children(os.getpid()):
        raise OSError(f"{what} started a process")
    if _open_descriptors() != open_before:  # each instance would share its offset, or miss it
        raise OSError(f"{what} left files open")
    return failed


def _open_descriptors() -> set[str]:
    found = {name: f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")}
    return {name for name, path in found.items() if os.path.lexists(path)}  # without the listing's own


def _import(name: str) -> bool:
    """False if it cannot be imported: the function will say so itself, in its own words."""
    try:
        __import__(name)
    except BaseException:
        return False
    return True
