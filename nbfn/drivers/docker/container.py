"""What a container is created with: Fn's own settings, where they limit something, and a sized ``/tmp``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbfn.drivers import places

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbfn.drivers.base import StartRequest

STATE_LABEL = "nbfn.state"
INSTANCE_LABEL = "nbfn.instance"
IMAGE_LABEL = "nbfn.image"
PROCESSES = 256
"""Threads count, and numerical libraries start one for each core."""
_MEMORY_LEAST_MB = 6
"""Docker takes no less."""
_USER = "1000:1000"
_ULIMITS = {"core": 0, "fsize": 1 << 30, "memlock": 64 << 10, "nofile": 1024}


@dataclass(frozen=True, slots=True)
class Supplied:
    """An image that the daemon has, and what of its config matters here."""

    name: str
    """What to create containers from."""
    user: str = ""
    env: tuple[str, ...] = ()

    @property
    def has_home(self) -> bool:
        return any(item.startswith("HOME=") for item in self.env)


def config(
    request: StartRequest,
    image: Supplied,
    iofs: Path,
    *,
    network: str,
    labels: Mapping[str, str],
    ulimits: Mapping[str, int],
) -> dict[str, Any]:
    """The body of ``POST /containers/create``; ``ulimits`` come on top of its own."""
    memory = max(request.limits.memory_mb, _MEMORY_LEAST_MB) << 20
    env = {
        **({} if image.has_home else {"HOME": "/tmp"}),  # noqa: S108 - the only place it can write to
        **request.env,
        places.ID_VARIABLE: request.instance_id,
        "FN_LISTENER": f"unix:{places.IOFS_INSIDE}/{places.SOCKET}",
    }
    size = places.tmp_mb(request.limits.memory_mb)
    return {
        "Image": image.name,
        "User": user(image.user),
        "Env": [f"{name}={value}" for name, value in env.items()],
        "Labels": {**labels, INSTANCE_LABEL: request.instance_id, IMAGE_LABEL: str(request.image)},
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": {
            # Z: where SELinux is, the folder is labelled for this container; elsewhere it says nothing.
            "Binds": [f"{iofs}:{places.IOFS_INSIDE}:rw,Z"],
            "Tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,size={size}m,mode=1777"},  # noqa: S108
            "ReadonlyRootfs": True,
            "Memory": memory,
            "MemorySwap": memory,
            "PidsLimit": PROCESSES,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Ulimits": [
                {"Name": name, "Soft": value, "Hard": value}
                for name, value in {**_ULIMITS, **ulimits}.items()
            ],
            "NetworkMode": network,
            "IpcMode": "private",
            # Process 1 is not ended by most signals: the function is not that one, and can be told apart.
            "Init": True,
            "LogConfig": {"Type": "none"},
        },
    }


def user(text: str) -> str:
    """The image's user where that is a number other than root's, else the one that Fn runs everything as."""
    name, _, group = text.partition(":")
    if not name.isdecimal() or int(name) == 0:
        return _USER
    return f"{name}:{group}" if group.isdecimal() and int(group) else f"{name}:{name}"
