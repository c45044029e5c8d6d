"""An image as the sandbox starts it: its layers unpacked, and what its config says to run."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbfn.containerize import Layout, unpack
from nbfn.drivers.base import StartFailed, refuse_volumes
from nbfn.errors import NbfnError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.spec import ImageRef

_HOST_LABEL = "org.nbfn.host"
_NOBODY_IN_PARTICULAR = (1000, 1000)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_EMULATORS = Path("/proc/sys/fs/binfmt_misc")


@dataclass(frozen=True, slots=True)
class Program:
    """What an image runs, over which layers (lowest first)."""

    layers: tuple[Path, ...]
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    uid: int
    gid: int
    host: str
    """SOABI of the machine's CPython that it needs; empty if it brings its own root."""

    def find(self, path: str) -> Path | None:
        """Where the image's ``path`` (absolute) is on the host, in its topmost layer."""
        for layer in reversed(self.layers):
            found = layer / path.lstrip("/")
            if found.exists():
                return found
        return None

    def moved(self, code: Path) -> Program:
        """The same with its last layer at ``code``."""
        return replace(self, layers=(*self.layers[:-1], code))


def load(layout: Layout, ref: ImageRef, into: Path) -> Program:
    """Unpack ``ref`` below ``into`` (once) and read how to run it.

    Raises:
        StartFailed: stage ``image``.
    """
    try:
        image = layout.get(ref)
        return read(image.config, unpack(image, into))
    except StartFailed:
        raise
    except NbfnError as error:
        raise StartFailed("image", error.message, hint=error.hint) from error
    except OSError as error:
        raise StartFailed("image", f"image {ref.short or ref}: {error}") from error


def read(config: Mapping[str, Any], layers: list[Path]) -> Program:
    """How to run an image with this OCI config.

    Raises:
        StartFailed: stage ``image``: it says nothing to run, or is for another kind of machine; stage
            ``refused``: it has a volume.
    """
    _check_machine(str(config.get("os") or "linux"), str(config.get("architecture") or ""))
    runs = config.get("config") or {}
    refuse_volumes(runs)
    argv = (*(runs.get("Entrypoint") or ()), *(runs.get("Cmd") or ()))
    if not argv:
        raise StartFailed(
            "image",
            "the image says nothing to run: it has no Entrypoint and no Cmd",
            hint="give it an Entrypoint that serves FN_LISTENER, as Fn's FDKs do",
        )
    env = dict(item.split("=", 1) for item in runs.get("Env") or () if "=" in item)
    uid, gid = _user(str(runs.get("User") or ""))
    host = str((runs.get("Labels") or {}).get(_HOST_LABEL, ""))
    return Program(tuple(layers), argv, env, str(runs.get("WorkingDir") or "/"), uid, gid, host)


def _check_machine(system: str, architecture: str) -> None:
    """Whether programs for this can run here, by themselves or by an emulator that the kernel knows."""
    own = _ARCHITECTURES.get(os.uname().machine, os.uname().machine)
    if (system, architecture or own) == ("linux", own):
        return
    emulated = any(_EMULATORS.glob("qemu-*")) and system == "linux"
    if not emulated:
        raise StartFailed(
            "image",
            f"the image is for {system}/{architecture}, and this machine is linux/{own}",
            hint=f"build it for this machine (docker build --platform linux/{own})",
        )


def _user(text: str) -> tuple[int, int]:
    """Numeric ``user[:group]``; a name, root, or nothing is the user that Fn runs everything as."""
    user, _, group = text.partition(":")
    if not user.isdecimal() or int(user) == 0:
        return _NOBODY_IN_PARTICULAR
    return int(user), int(group) if group.isdecimal() and int(group) else int(user)
