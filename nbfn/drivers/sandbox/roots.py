"""Which parts of the host an instance sees: the plan of its root, or the paths it may open."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.drivers.base import StartFailed
from nbfn.drivers.places import IOFS_INSIDE
from nbfn.drivers.sandbox.confine.stem import CODE_STORE
from nbfn.drivers.sandbox.strain import FUNCTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbfn.drivers.sandbox.confine.plan import Bind, RootPlan
    from nbfn.drivers.sandbox.interpreter import Interpreter

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = (
    "alternatives", "ca-certificates", "crypto-policies", "fonts", "gai.conf", "host.conf", "hosts",
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "pki",
    "protocols", "resolv.conf", "services", "ssl", "timezone",
)  # fmt: skip
_DEVICES = ("null", "zero", "full", "random", "urandom")
_DEVICE_LINKS = (("/proc/self/fd", "/dev/fd"), ("/proc/self/fd/0", "/dev/stdin"),
                 ("/proc/self/fd/1", "/dev/stdout"), ("/proc/self/fd/2", "/dev/stderr"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Own:
    """What a root has that no image holds."""

    mountpoint: Path
    """Where it is built; seen by nobody else."""
    tmp_mb: int
    iofs: Path | None = None
    """Of an instance: where its socket comes."""
    code_store: Path | None = None
    """Of a zygote: the code of its functions."""

    @property
    def binds(self) -> list[Bind]:
        """Its folders, inside the root."""
        socket = [_bind(self.iofs, IOFS_INSIDE, write=True)] if self.iofs else []
        return [*socket, *([_bind(self.code_store, CODE_STORE)] if self.code_store else [])]

    @property
    def folders(self) -> list[str]:
        """Empty ones, to mount on."""
        return [FUNCTION] if self.code_store else []


def host_root(interpreter: Interpreter, layers: Sequence[Path], own: Own, uid: int) -> RootPlan:
    """A root of this machine's system folders and interpreter, read-only, with ``layers`` on top.

    Raises:
        StartFailed: stage ``image``: two layers hold the same folder, or one that the host gives.
    """
    binds: list[Bind] = []
    links: list[tuple[str, str]] = []
    for folder in _SYSTEM:
        path = Path(folder)
        if path.is_symlink():
            links.append((str(path.readlink()), folder))
        elif path.is_dir():
            binds.append(_bind(path, folder))
    binds += [_bind(path, str(path)) for path in interpreter.prefixes if not _below(path, _SYSTEM)]
    if not _below(interpreter.executable, (*_SYSTEM, *map(str, interpreter.prefixes))):
        binds.append(_bind(interpreter.executable, str(interpreter.executable)))
    # The real file, since /etc/resolv.conf and others are often links to what is not shown.
    etc = [(name, Path(os.path.realpath(f"/etc/{name}"))) for name in _ETC]
    binds += [_bind(path, f"/etc/{name}") for name, path in etc if path.exists()]
    binds += _layer_binds(layers, {bind["target"] for bind in binds} | {where for _, where in links})
    return {
        "mountpoint": str(own.mountpoint),
        "overlay": [],
        "binds": [*binds, *own.binds, *_devices()],
        "links": [*links, *_DEVICE_LINKS],
        "files": _accounts(uid),
        "folders": own.folders,
        "tmp_mb": own.tmp_mb,
    }


def image_root(layers: Sequence[Path], own: Own) -> RootPlan:
    """The root that an image with a system of its own brings, read-only."""
    # Names are looked up as the host does it: an image holds no resolver configuration.
    names = [Path(os.path.realpath(f"/etc/{name}")) for name in ("resolv.conf", "hosts")]
    binds = [
        _bind(path, f"/etc/{name}")
        for name, path in zip(("resolv.conf", "hosts"), names, strict=True)
        if path.exists()
    ]
    return {
        "mountpoint": str(own.mountpoint),
        "overlay": _once(layers),
        "binds": [*binds, *own.binds, *_devices()],
        "links": list(_DEVICE_LINKS),
        "files": [],
        "folders": own.folders,
        "tmp_mb": own.tmp_mb,
    }


def _once(layers: Sequence[Path]) -> list[str]:
    """The layers, lowest first, each where it is topmost: an overlay takes none twice, and Docker's empty
    layers are all the same one. What is beneath its upper self is hidden by it."""
    return list(reversed(dict.fromkeys(str(layer) for layer in reversed(layers))))


def readable(interpreter: Interpreter, layers: Sequence[Path]) -> list[str]:
    """What an instance on the host's own root may read."""
    etc = [os.path.realpath(f"/etc/{name}") for name in (*_ETC, "passwd", "group")]
    system = [*_SYSTEM, "/proc", "/sys/devices/system", "/dev/zero", "/dev/full", "/dev/random"]
    own = [*interpreter.prefixes, interpreter.executable, *layers]
    return [*system, "/dev/urandom", *etc, *map(str, own)]


def writable(iofs: Path, temporary: Path) -> list[str]:
    """What it may write: its own two folders, and what every program needs."""
    return [str(iofs), str(temporary), "/dev/null", "/dev/shm"]  # noqa: S108 - semaphores live there


def _layer_binds(layers: Sequence[Path], taken: set[str]) -> list[Bind]:
    binds: list[Bind] = []
    for layer in layers:
        for path in _places(layer):
            target = "/" + str(path.relative_to(layer))
            if target in taken or _below(Path(target), taken):
                raise StartFailed("image", f"the image holds {target}, which is already there on base host")
            taken.add(target)
            binds.append(_bind(path, target))
    return binds


def _places(layer: Path) -> list[Path]:
    """The folders of a layer to bind: its top ones, and those in ``/opt``, which layers share."""
    return [
        place
        for top in sorted(layer.iterdir())
        for place in (sorted(top.iterdir()) if top.name == "opt" and top.is_dir() else [top])
    ]


def _devices() -> list[Bind]:
    found = [Path("/dev", name) for name in _DEVICES]
    return [
        {"source": str(path), "target": str(path), "write": True, "device": True}
        for path in found
        if path.exists()
    ]


def _accounts(uid: int) -> list[tuple[str, str]]:
    user = f"root:x:0:0:root:/:/bin/sh\nfn:x:{uid}:{uid}:function:/tmp:/bin/sh\n"
    return [("/etc/passwd", user), ("/etc/group", f"root:x:0:\nfn:x:{uid}:\n")]


def _bind(source: Path, target: str, *, write: bool = False) -> Bind:
    return {"source": str(source), "target": target, "write": write, "device": False}


def _below(path: Path, folders: set[str] | Sequence[str]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
