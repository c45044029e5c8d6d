"""The supervisor of one instance: confines it, starts it, waits for it, and leaves nothing of it.

It is the trusted process between the driver and the function: outside the sandbox, alive as long as
the instance. When the driver's end of the control socket closes, however the driver ended, it kills
everything and ends.

::

    driver ── control socket ── supervisor ── (T2: pid 1 of the namespace) ── function
"""

from __future__ import annotations

import contextlib
import json
import os

from . import execute, limits, linux, namespaces, privileges, proctree, rootfs, supervise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plan import Plan, Report

_SIGKILL = 9
_INSIDE_WRITABLE = ("/tmp", "/dev")


def main(control: int) -> None:
    """Run the plan that the driver sends over ``control``; report the end on it."""
    os.set_inheritable(control, False)
    os.umask(0o022)  # of the root that it makes, and of the function
    plan: Plan = json.loads(_read_line(control))
    try:
        report = run(plan, control)
    except OSError as error:
        report = {"failed": error.strerror or str(error)}
    with contextlib.suppress(OSError):  # the driver has gone: nobody to tell
        os.write(control, json.dumps(report).encode() + b"\n")
    os._exit(0)


def run(plan: Plan, control: int) -> Report:
    """Start what ``plan`` says and wait for its end.

    Raises:
        OSError: it could not be started.
    """
    reading, telling = os.pipe()
    signals = supervise.listen_to_signals()
    own_root = plan["root"] is not None
    alive = -1
    if own_root:
        pid, alive = _start_in_namespaces(plan, telling)
    else:
        pid = _start_here(plan, telling)
    os.close(telling)
    limits.close(plan["doors"])
    watch = None
    if not plan["doors"]:
        root = pid if own_root else os.getpid()
        watch = supervise.Watch(lambda: proctree.descendants(root), plan["memory_mb"], plan["processes"])
    status = supervise.until_ended(pid, control, signals, watch)
    supervise.end_all_below()
    if own_root:
        os.close(alive)
    told = _read_all(reading)
    # A failure is told before the end that it leads to.
    report: Report = json.loads(told.split(b"\n")[0]) if told else {"status": status}
    if watch:
        report["over"] = watch.over
    return report


def _start_here(plan: Plan, telling: int) -> int:
    """The function as a child of the supervisor, on the host's root."""
    linux.adopt_orphans()
    supervisor = os.getpid()
    user = plan["user"]
    processes = plan["processes"] if user else limits.processes_beside_others(plan["processes"])
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        limits.enter_groups(plan["doors"])
        privileges.step_down(user)
        if plan["tier"] != "T0":
            privileges.confine(plan["readable"], plan["writable"], network=plan["network"], own_root=False)
        linux.die_with_parent(_SIGKILL)
        if os.getppid() != supervisor:
            os._exit(1)
        _execute(plan, processes)
    except BaseException as error:
        _fail(telling, error)
    os._exit(127)


def _start_in_namespaces(plan: Plan, telling: int) -> tuple[int, int]:
    """The first process of new namespaces; also gives the descriptor whose end ends it."""
    watching, alive = os.pipe()
    root_user = linux.may_administer()
    if not root_user:
        namespaces.enter_user(plan["uid"], plan["gid"])
    linux.unshare(linux.CLONE_NEWPID)
    pid = os.fork()
    if pid:
        os.close(watching)
        return pid, alive
    try:
        os.close(alive)
        _be_init(plan, telling, watching, root_user=root_user)
    except BaseException as error:
        _fail(telling, error)
    os._exit(127)


def _be_init(plan: Plan, telling: int, watching: int, *, root_user: bool) -> None:
    """Process 1 of the namespace: builds the root, gives up all rights, starts and reaps."""
    root = plan["root"]
    assert root is not None
    os.setsid()
    namespaces.enter_own(network=plan["network"])
    rootfs.enter(root)
    counted = privileges.become(plan["uid"], plan["gid"]) if root_user else True
    privileges.drop_all()
    privileges.confine(["/"], _INSIDE_WRITABLE, network=plan["network"], own_root=True)
    # After the change of user, which clears it; that the parent lived until here, the pipe tells.
    linux.die_with_parent(_SIGKILL)
    signals = supervise.listen_to_signals()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            limits.enter_groups(plan["doors"])
            _execute(plan, plan["processes"] if counted else 0)
        except BaseException as error:
            _fail(telling, error)
        os._exit(127)
    linux.set_dumpable(False)
    for descriptor in (0, 1, 2, *plan["doors"]):
        os.close(descriptor)
    status = supervise.until_ended(pid, watching, signals)
    try:
        os.write(telling, json.dumps({"status": status}).encode() + b"\n")
    finally:
        os._exit(0)  # and the kernel ends all that is left in the namespace


def _execute(plan: Plan, processes: int) -> None:
    """Become the function's program."""
    limits.apply(plan["memory_mb"], processes)
    supervise.forget_signals()
    execute.work_in(plan["cwd"])
    execute.become(plan["argv"], plan["env"])


def _fail(telling: int, error: BaseException) -> None:
    text = (
        (error.strerror or str(error)) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
    )
    os.write(telling, json.dumps({"failed": text}).encode() + b"\n")


def _read_line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(descriptor, 1 << 16)
        if not part:
            os._exit(0)  # the driver changed its mind
        line += part
    return line


def _read_all(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, 1 << 16):
        parts.append(part)
    return b"".join(parts)
