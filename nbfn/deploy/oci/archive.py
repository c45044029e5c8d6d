"""CAPTURE → ARCHIVE: the zip of code that OCI Functions runs on its own runtime for Python, without an image.

``function/`` holds what an image's code layer does and the handler that OCI calls; ``python/`` the packages
and nbfn's runtime, which answers as it does in an image. Same capture, same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nbfn.runtime
from nbfn.containerize import host, packages, recipe
from nbfn.containerize.layers import Entry, arrange
from nbfn.containerize.target import Target
from nbfn.deploy.oci.dialect import ArchiveSource
from nbfn.deploy.oci.limits import ARCHIVE_MAX_BYTES, STORED_ARCHIVE_MAX_BYTES
from nbfn.errors import BadInput, ImageError, LimitError, RequirementError
from nbfn.spec import PythonVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbfn.containerize.packages import Package
    from nbfn.spec import Capture, FunctionSpec

RUNTIMES = {(3, 11): "python311.ol9", (3, 12): "python312.ol9"}
"""OCI's runtimes for Python, by the version that each has."""

HANDLER = "nbfn_handler.handler"
_HANDLER_FILE = b'''"""What OCI calls: nbfn's runtime, which calls func.py."""

from nbfn_runtime.fdk import handler

__all__ = ["handler"]
'''
# Of a project's: OCI's runtime brings the real one, which a stand-in in the function's folder would hide.
_FDK = f"{recipe.FUNCTION_FOLDER}/fdk/"
_TIME = (1980, 1, 1, 0, 0, 0)
_NATIVE = (".so", ".pyd", ".dylib")
_LARGEST = 3
# Of Oracle Linux 9, which the runtimes are.
_GLIBC = ("glibc", (2, 34))


@dataclass(frozen=True, slots=True)
class Archive:
    """A function's code, ready to be sent."""

    source: ArchiveSource
    packages: tuple[Package, ...]
    """What is in ``python/`` beside nbfn's runtime, by name."""

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.source.data)

    @property
    def digest(self) -> str:
        """``sha256:…`` of the whole."""
        return "sha256:" + base64.b64decode(self.source.sha256).hex()


def make_archive(spec: FunctionSpec, capture: Capture, *, runtime: str = "", stored: bool = False) -> Archive:
    """The archive of ``capture`` deployed as ``spec``.

    ``runtime`` is one of OCI's, as ``python312.ol9``; that of the capture's own Python if empty. ``stored``
    lets it be as large as one that goes by way of Object Storage may be.

    Raises:
        BadInput: OCI has no runtime of this Python; or code that is tied to one Python should run on another.
        RequirementError: a package is missing, its files are not known, or its wheel is for another machine.
        LimitError: it is larger than what OCI takes in this way.
        ImageError: a data file has a path that cannot be, or files changed meanwhile.
    """
    plan = recipe.plan(spec, capture, {})
    needed = packages.closure(plan.requirements)
    code = [entry for entry in plan.code if not entry.path.startswith(_FDK)]
    entries = [*code, Entry.of(f"{recipe.FUNCTION_FOLDER}/nbfn_handler.py", _HANDLER_FILE), *_runtime()]
    try:
        entries += _packages(needed)
        name = _runtime_name(capture, runtime, [entry.path for entry in entries])
        _check_wheels(needed, name)
        data = _zip(arrange(entries))
    except OSError as error:
        raise ImageError(f"the archive cannot be made: {error}") from error
    _check_size(data, entries, spec, stored=stored)
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return Archive(ArchiveSource(data, digest, HANDLER, name), needed)


def _runtime() -> Iterator[Entry]:
    root = Path(nbfn.runtime.__path__[0])
    for source in sorted(root.glob("*.py")):
        yield Entry.copied(f"python/nbfn_runtime/{source.name}", source)


def _packages(needed: Iterable[Package]) -> list[Entry]:
    files: dict[str, Path] = {}
    for package in needed:
        for place, source in package.files():
            files.setdefault(f"python/{place}", source)
    return [Entry.copied(path, source) for path, source in files.items()]


def _runtime_name(capture: Capture, asked: str, paths: Iterable[str]) -> str:
    own = RUNTIMES.get((capture.python.major, capture.python.minor))
    name = asked or own
    known = ", ".join(RUNTIMES.values())
    if name is None:
        raise BadInput(
            f"OCI has no runtime of Python {capture.python} for code without an image",
            hint=f"choose one ({known}) if the code runs there too, or deploy an image",
        )
    if name not in RUNTIMES.values():
        raise BadInput(f"{name!r} is no runtime of OCI's for Python", hint=f"use one of: {known}")
    native = next((path for path in paths if path.endswith(_NATIVE)), None)
    tied = (
        "the function travels as a pickle" if capture.by_value else f"{native} is compiled" if native else ""
    )
    if tied and name != own:
        raise BadInput(
            f"{tied} for Python {capture.python}, and {name} is another",
            hint="deploy from a kernel with that Python, or deploy an image",
        )
    if native and not host.soabi().endswith("x86_64-linux-gnu"):
        raise BadInput(
            f"{native} is compiled for this machine ({host.soabi()}), not for OCI's x86",
            hint="deploy from Linux on x86, or deploy an image",
        )
    return name


def _check_wheels(needed: Iterable[Package], runtime: str) -> None:
    """Whether what was installed here runs there, as far as the wheels that it came from tell."""
    python = next(PythonVersion(*minor) for minor, name in RUNTIMES.items() if name == runtime)
    there = Target(python, "x86_64", *_GLIBC)
    for package in needed:
        if package.tags and not there.takes(package.tags):
            raise RequirementError(
                f"{package} is installed here from a wheel for {', '.join(package.tags)}, and OCI's "
                f"{runtime} is {there}",
                hint="install a version that has a wheel for that (manylinux_2_34 or older), or deploy an "
                "image",
            )


def _zip(entries: Iterable[Entry]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.path, _TIME)
            info.create_system = 3  # modes are Unix'
            info.external_attr = (stat.S_IFREG | (0o755 if entry.program else 0o644)) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            content = entry.content
            data = content.read_bytes() if isinstance(content, Path) else content
            archive.writestr(info, data if isinstance(data, bytes) else data() or b"")
    return buffer.getvalue()


def _check_size(data: bytes, entries: Iterable[Entry], spec: FunctionSpec, *, stored: bool) -> None:
    most = STORED_ARCHIVE_MAX_BYTES if stored else ARCHIVE_MAX_BYTES
    if len(data) <= most:
        return
    sizes: dict[str, int] = {}
    for entry in entries:
        part = "/".join(entry.path.split("/")[:2])
        sizes[part] = sizes.get(part, 0) + entry.size
    largest = sorted(sizes, key=lambda part: sizes[part], reverse=True)[:_LARGEST]
    told = ", ".join(f"{part} {sizes[part] / 2**20:.0f} MB" for part in largest)
    takes = f"{most >> 20} MB {'from a bucket' if stored else 'directly'}"
    bucket = len(data) <= STORED_ARCHIVE_MAX_BYTES
    raise LimitError(
        f"the archive of {spec.name} is {len(data) / 2**20:.1f} MB, and OCI takes {takes} (unpacked: {told})",
        hint="let it go by way of a bucket, up to 250 MB: `nbfn update context oracle.bucket NAME`; or "
        "deploy it as an image, or let it need less"
        if bucket
        else "deploy it as an image, or let it need less",
    )
