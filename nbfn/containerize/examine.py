"""What a base brings, found in its config and its files: which Python, which C library."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from nbfn.containerize import host
from nbfn.containerize.members import list_members
from nbfn.containerize.unzipped import Unzipped
from nbfn.spec import PythonVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.containerize.image import Image, Layer
    from nbfn.containerize.members import Member

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PYTHON = re.compile(r"python(\d+)\.(\d+)")
_VERSION = re.compile(r"(\d+)\.(\d+)")
_GLIBC = re.compile(rb"GNU C Library [^\n\0]*version (\d+)\.(\d+)")
_OLD_GLIBC = re.compile(r"libc-(\d+)\.(\d+)\.so")
_MUSL = re.compile(r"(?:^|/)ld-musl-[^/]+\.so\.1$")
_LINKS_MAX = 8
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Facts:
    """What matters of a base for what is put on it."""

    python: PythonVersion | None
    """What ``python3`` is; None if there is none to be found."""
    libc: str
    """``glibc``, ``musl``, or empty if neither was found."""
    libc_version: tuple[int, int]
    os: str
    architecture: str


def told_python(config: Mapping[str, Any]) -> PythonVersion | None:
    """The Python that an image's config tells: by our own label, or as Docker's official images of it do."""
    runs = config.get("config") or {}
    text = (runs.get("Labels") or {}).get(host.PYTHON_LABEL) or _env(config).get("PYTHON_VERSION", "")
    match = _VERSION.match(str(text))
    return PythonVersion(int(match[1]), int(match[2])) if match else None


def examine(image: Image) -> Facts:
    """The facts of ``image``, whose layers must be here.

    Raises:
        ImageError: a layer is missing, or cannot be read.
    """
    files = _Files(image)
    libc, version = _libc(files)
    config = image.config
    return Facts(
        told_python(config) or _found(config, files),
        libc,
        version,
        str(config.get("os", "")),
        str(config.get("architecture", "")),
    )


def _env(config: Mapping[str, Any]) -> dict[str, str]:
    items = (config.get("config") or {}).get("Env") or ()
    return dict(str(item).partition("=")[::2] for item in items)


def _found(config: Mapping[str, Any], files: _Files) -> PythonVersion | None:
    """By what ``python3`` of the first folder of PATH that has one leads to."""
    for folder in _env(config).get("PATH", _DEFAULT_PATH).split(":"):
        real = files.resolve(f"{folder.strip('/')}/python3")
        match = _PYTHON.fullmatch(real.rpartition("/")[2])
        if match:
            return PythonVersion(int(match[1]), int(match[2]))
    return None


def _libc(files: _Files) -> tuple[str, tuple[int, int]]:
    for path in files.paths():
        if path.endswith("/libc.so.6"):
            real = files.resolve(path)
            match = _OLD_GLIBC.search(real)
            if match:
                return "glibc", (int(match[1]), int(match[2]))
            said = _GLIBC.search(files.read(real))
            if said:
                return "glibc", (int(said[1]), int(said[2]))
        if _MUSL.search(path):
            return "musl", (1, 2)
    return "", (0, 0)


class _Files:
    """The files of an image as its layers, one over the other, leave them."""

    def __init__(self, image: Image) -> None:
        self._found: dict[str, tuple[Member, Layer]] = {}
        for layer in image.layers:
            with layer.open() as blob:
                members, _ = list_members(_tar(blob, layer), seekable=not layer.is_zipped)
            for member in members:
                folder, _, name = member.path.rpartition("/")
                if name.startswith(".wh."):
                    self._found.pop(f"{folder}/{name[4:]}".lstrip("/"), None)
                else:
                    self._found[member.path] = (member, layer)

    def paths(self) -> list[str]:
        return sorted(self._found)

    def resolve(self, path: str) -> str:
        """Where ``path`` leads through links, folders' included; empty if nowhere."""
        for _ in range(_LINKS_MAX):
            link = self._link_in(path)
            if link is None:
                return path if path in self._found else ""
            at, target = link
            base = [] if target.startswith("/") else at.split("/")[:-1]
            path = _normal([*base, *target.split("/"), *path[len(at) :].split("/")])
        return ""

    def read(self, path: str) -> bytes:
        if path not in self._found:
            return b""
        member, layer = self._found[path]
        with layer.open() as blob:
            tar = _tar(blob, layer)
            left = member.offset
            while left and (skipped := tar.read(min(left, _CHUNK))):
                left -= len(skipped)
            return tar.read(member.size)

    def _link_in(self, path: str) -> tuple[str, str] | None:
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            at = "/".join(parts[:count])
            found = self._found.get(at)
            if found is not None and found[0].kind == "symlink":
                return at, found[0].target
        return None


def _tar(blob: BinaryIO, layer: Layer) -> BinaryIO:
    """What is in it, to be read from its beginning: nothing is unzipped to the disk for it."""
    return cast("BinaryIO", Unzipped(blob, layer)) if layer.is_zipped else blob


def _normal(parts: list[str]) -> str:
    found: list[str] = []
    for part in parts:
        if part == "..":
            del found[-1:]
        elif part not in ("", "."):
            found.append(part)
    return "/".join(found)
