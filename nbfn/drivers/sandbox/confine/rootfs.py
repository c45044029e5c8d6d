"""A root file system of the instance's own: built on a tmpfs, entered, and the old one let go."""

from __future__ import annotations

import os

from . import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plan import Bind, RootPlan

_QUIET = linux.MS_NOSUID | linux.MS_NODEV


def enter(plan: RootPlan) -> None:
    """Build the root that ``plan`` describes and make it this process's ``/``.

    Needs a mount namespace of its own, and a pid namespace for ``/proc``. The caller must have imported
    all it needs: the old root's files are gone afterwards.

    Raises:
        OSError: a mount was refused; names it.
    """
    linux.mount("none", "/", "", linux.MS_REC | linux.MS_PRIVATE)
    # One tmpfs holds the folders to mount on, so that nothing is ever made on the host.
    linux.mount("tmpfs", plan["mountpoint"], "tmpfs", _QUIET, "size=1m,mode=755")
    root = plan["mountpoint"]
    if plan["overlay"]:
        skeleton = f"{root}/skeleton"
        _lay_out(plan, skeleton)
        root = f"{root}/root"
        os.mkdir(root)
        lower = ":".join(["skeleton", *_short_names(plan["mountpoint"], plan["overlay"])])
        linux.mount("overlay", root, "overlay", _QUIET | linux.MS_RDONLY, f"lowerdir={lower}")
    else:
        _lay_out(plan, root)
    _mount_own(root, plan["tmp_mb"])
    for bind in plan["binds"]:
        _bind(root, bind)
    if not plan["overlay"]:
        linux.mount("", root, "", linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | _QUIET)
    os.chdir(root)
    linux.pivot_root(".", ".")  # the old root is now stacked on the new one
    linux.umount(".")
    os.chdir("/")


def _short_names(mountpoint: str, layers: list[str]) -> list[str]:
    """Links to ``layers``, the topmost first, as names in ``mountpoint``, which becomes the current folder:
    the kernel takes one page of options, and the paths of some forty layers are more than that."""
    os.chdir(mountpoint)
    names = []
    for number, layer in enumerate(reversed(layers)):
        os.symlink(layer, str(number))
        names.append(str(number))
    return names


def _lay_out(plan: RootPlan, base: str) -> None:
    """Folders and files to mount on, links, and small files with their content."""
    for folder in ("/proc", "/dev/shm", "/tmp", "/etc", "/var/tmp", "/run", *plan["folders"]):
        os.makedirs(base + folder, exist_ok=True)
    for bind in plan["binds"]:
        if not bind["target"].startswith("/tmp/"):
            _make_target(base, bind)
    for text, where in plan["links"]:
        os.makedirs(os.path.dirname(base + where), exist_ok=True)
        os.symlink(text, base + where)
    for path, content in plan["files"]:
        os.makedirs(os.path.dirname(base + path), exist_ok=True)
        with open(base + path, "w", encoding="utf-8") as file:
            file.write(content)


def _make_target(base: str, bind: Bind) -> None:
    target = base + bind["target"]
    if os.path.isdir(bind["source"]):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def _mount_own(root: str, tmp_mb: int) -> None:
    linux.mount("proc", f"{root}/proc", "proc", _QUIET | linux.MS_NOEXEC)
    size = f"size={tmp_mb}m,mode=1777"
    linux.mount("tmpfs", f"{root}/tmp", "tmpfs", _QUIET, size)
    linux.mount("tmpfs", f"{root}/dev/shm", "tmpfs", _QUIET | linux.MS_NOEXEC, size)


def _bind(root: str, bind: Bind) -> None:
    target = root + bind["target"]
    if bind["target"].startswith("/tmp/"):
        _make_target(root, bind)
    # Recursive, since a user namespace may not show what a mount below hides.
    linux.mount(bind["source"], target, "", linux.MS_BIND | linux.MS_REC)
    if not bind["write"] and not bind["device"]:
        linux.set_readonly(target)
