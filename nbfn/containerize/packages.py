"""The packages that a function needs, found in the kernel's own environment.

The closure of its pinned requirements is followed through what each distribution says of itself, and
the files are those of its RECORD: exactly what was tested, and no network.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
import importlib.metadata
import json
from dataclasses import dataclass, replace
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from nbfn.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Scripts name the interpreter that they were installed for, so they are of no use in an image.
_SCRIPT_FOLDERS = ("bin", "Scripts")
# It tells where on this machine a package came from, and no two machines agree.
_ORIGIN = "direct_url.json"
# What uv and pip each write in their own way; without it the same wheels give the same layer.
_OF_INSTALLERS = (_ORIGIN, "INSTALLER", "REQUESTED", "RECORD", "uv_cache.json")


@dataclass(frozen=True, slots=True)
class Package:
    """An installed distribution."""

    name: str
    version: str
    record: str
    """The text of its RECORD."""
    folder: Path
    """What the paths in ``record`` are relative to: ``site-packages``."""
    tags: tuple[str, ...] = ()
    """Of the wheel that it came from: what it runs on. Empty if that is not known."""
    origin: Literal["installed", "wheel"] = "installed"
    """This kernel's files, or a wheel that was fetched for the base."""

    @property
    def key(self) -> str:
        """The name as packages are told apart by."""
        return canonicalize_name(self.name)

    @property
    def record_digest(self) -> str:
        """Equal for two installations of the same files."""
        return hashlib.sha256(self.record.encode("utf-8", "surrogateescape")).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of its files, as its RECORD tells them; bytecode is not counted."""
        rows = csv.reader(self.record.splitlines())
        return sum(int(row[2]) for row in rows if len(row) > 2 and row[2].isdigit() and row[0][-4:] != ".pyc")

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def files(self) -> Iterator[tuple[str, Path]]:
        """Each file as it lies below ``/python`` and here, in no order, without bytecode.

        What was removed after the installation is left out: the function was tested without it.

        Raises:
            RequirementError: none of them is there, or one is outside of any place it could go to.
        """
        found = False
        for row in csv.reader(self.record.splitlines()):
            if not row or not row[0]:
                continue
            place = self._place(row[0])
            source = self.folder / row[0]
            if place and source.is_file():
                found = True
                yield place, source
        if not found:
            raise RequirementError(
                f"{self} is listed in {self.folder}, but none of its files is there",
                hint=f"pip install --force-reinstall {self.name}=={self.version}",
            )

    def _place(self, path: str) -> str:
        if path.startswith("/"):
            raise RequirementError(
                f"{self} installed {path}, an absolute path, which cannot go along",
                hint="use a version of the package that keeps to its own folder",
            )
        parts = [part for part in path.split("/") if part not in ("", ".")]
        outside = parts[:1] == [".."]
        while parts[:1] == [".."]:
            parts = parts[1:]
        if ".." in parts or not parts or (outside and parts[0] in _SCRIPT_FOLDERS):
            return ""
        if "__pycache__" in parts and parts[-1].endswith(".pyc"):
            return ""
        dropped = _OF_INSTALLERS if self.origin == "wheel" else (_ORIGIN,)
        return "" if parts[-1] in dropped and parts[0].endswith(".dist-info") else "/".join(parts)


def closure(requirements: Iterable[str]) -> tuple[Package, ...]:
    """The packages of ``requirements`` and all that they require, by name.

    What a package requires and is not installed is left out: the kernel does without it too.

    Raises:
        RequirementError: one of ``requirements`` cannot be read, is not installed or is installed in
            another version; or a package is editable, or its files are not known.
    """
    found: dict[str, Package] = {}
    followed: set[tuple[str, str]] = set()
    roots = [parse(text) for text in requirements]
    pending = [(root, True) for root in roots if root.marker is None or root.marker.evaluate()]
    while pending:
        requirement, asked = pending.pop()
        name = canonicalize_name(requirement.name)
        distribution = _installed(requirement, asked=asked)
        if distribution is None:
            continue
        package = found.get(name)
        if package is None:
            package = found[name] = _package(distribution)
        if asked:
            _check_version(requirement, package)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in followed:
                continue
            followed.add((name, extra))
            pending += [
                (need, False)
                for need in _metadata(distribution).requires
                if need.marker is None or need.marker.evaluate({"extra": extra})
            ]
    return tuple(found[name] for name in sorted(found))


def parse(text: str) -> Requirement:
    """The requirement in a PEP 508 string.

    Raises:
        RequirementError: it is none.
    """
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise RequirementError(
            f"{text!r} is not a requirement: {error}", hint="write it like 'numpy' or 'numpy==2.1.0'"
        ) from error


def _installed(requirement: Requirement, *, asked: bool) -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        if not asked:
            return None
    raise RequirementError(
        f"{requirement.name} is not installed in this kernel, and the function needs {requirement}",
        hint=f"%pip install '{requirement}'",
    )


def _check_version(requirement: Requirement, package: Package) -> None:
    if not requirement.specifier.contains(package.version, prereleases=True):
        raise RequirementError(
            f"the function needs {requirement}, and {package} is installed in this kernel",
            hint=f"%pip install '{requirement}' and restart the kernel, or run the cell again as it is now",
        )


@dataclass(frozen=True, slots=True)
class _Metadata:
    name: str
    version: str
    requires: tuple[Requirement, ...]


def _metadata(distribution: importlib.metadata.Distribution) -> _Metadata:
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    # importlib.metadata would parse the long description too, each time that it is asked for a field.
    return _parsed(text.partition("\n\n")[0])


@functools.lru_cache(maxsize=512)
def _parsed(head: str) -> _Metadata:
    fields = HeaderParser().parsestr(head)
    requires = []
    for text in fields.get_all("Requires-Dist") or []:
        # What old metadata says in another way, pip installed the package without.
        with contextlib.suppress(InvalidRequirement):
            requires.append(Requirement(text))
    return _Metadata(str(fields["Name"] or ""), str(fields["Version"] or ""), tuple(requires))


def _package(distribution: importlib.metadata.Distribution) -> Package:
    about = _metadata(distribution)
    name, version = about.name, about.version
    if _is_editable(distribution):
        raise RequirementError(
            f"{name} {version} is installed editable: its files are wherever you work on them",
            hint=f"install a copy of it: pip install --no-deps --force-reinstall PATH_OF_{name.upper()}",
        )
    record = distribution.read_text("RECORD")
    if not record:
        raise RequirementError(
            f"{name} {version} has no RECORD, so which files it has is not known "
            f"(in {distribution.locate_file('')})",
            hint=f"install it with pip: pip install --force-reinstall {name}=={version}",
        )
    return Package(name, version, record, Path(str(distribution.locate_file(""))), _tags(distribution))


def from_wheel(distribution: importlib.metadata.Distribution) -> Package:
    """A distribution that was unpacked from a wheel into a folder of its own.

    Raises:
        RequirementError: it has no RECORD.
    """
    return replace(_package(distribution), origin="wheel")


def _tags(distribution: importlib.metadata.Distribution) -> tuple[str, ...]:
    fields = HeaderParser().parsestr(distribution.read_text("WHEEL") or "")
    return tuple(str(tag) for tag in fields.get_all("Tag") or ())


def _is_editable(distribution: importlib.metadata.Distribution) -> bool:
    try:
        origin = json.loads(distribution.read_text(_ORIGIN) or "{}")
    except ValueError:
        return False
    about = origin.get("dir_info") if isinstance(origin, dict) else None
    return bool(about.get("editable")) if isinstance(about, dict) else False
