"""Where a module comes from: the standard library, an installed distribution, or a file of the user's."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.utils import canonicalize_name

_LIBRARY_FOLDERS = {"site-packages", "dist-packages"}


@dataclass(frozen=True, slots=True)
class Home:
    """What a top-level module belongs to."""

    kind: Literal["stdlib", "package", "local", "missing"]
    distribution: str = ""
    """Name of the installed distribution, normalised."""
    version: str = ""
    path: Path | None = None
    """For a local one its file, or the folder of its package."""

    @property
    def origin(self) -> str:
        """In words: ``numpy 2.4.6``, ``standard library``, ``helpers.py``."""
        if self.kind == "package":
            return f"{self.distribution} {self.version}"
        return self.path.name if self.path else "standard library"


def home_of(module: str) -> Home:
    """Where ``import module`` finds its top-level package; nothing is imported for it."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in sys.builtin_module_names or top == "__future__":
        return Home("stdlib")
    path = _path_of(top)
    if path is None:
        return Home("missing")
    if _LIBRARY_FOLDERS & set(path.parts) and (found := _distribution(top, path)):
        return Home("package", *found)
    return Home("local", path=path)


def _path_of(top: str) -> Path | None:
    """The file of a module, the folder of a package."""
    loaded = sys.modules.get(top)
    spec = getattr(loaded, "__spec__", None)
    if spec is None:
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError, AttributeError):
            spec = None
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).absolute()
    if spec is not None and spec.origin and spec.has_location:
        return Path(spec.origin).absolute()
    file = getattr(loaded, "__file__", None)
    return Path(file).absolute() if file else None


def version_of(distribution: str) -> str | None:
    """The version that is installed here, None if it is not."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _distribution(top: str, path: Path) -> tuple[str, str] | None:
    """The distribution that installed ``top``, and its version."""
    folder = next((folder for folder in path.parents if folder.name in _LIBRARY_FOLDERS), path.parent)
    try:
        stamp = folder.stat().st_mtime_ns
    except OSError:
        return None
    return _owner(top, path, folder, stamp)


@lru_cache(maxsize=1024)
def _owner(top: str, path: Path, folder: Path, _stamp: int) -> tuple[str, str] | None:
    """Looks through the RECORDs of ``folder``; remembered until something is installed there."""
    # A distribution named like its module is nearly always right, so it is asked first.
    named = [found for name in {top, canonicalize_name(top)} for found in _by_name(name)]
    for found in (*named, *metadata.distributions(path=[str(folder)])):
        if _owns(found, path):
            return canonicalize_name(found.metadata["Name"]), found.version
    for name in metadata.packages_distributions().get(top, ()):  # installed without a RECORD
        return canonicalize_name(name), metadata.version(name)
    return None


def _by_name(name: str) -> list[metadata.Distribution]:
    try:
        return [metadata.distribution(name)]
    except metadata.PackageNotFoundError:
        return []


def _owns(distribution: metadata.Distribution, path: Path) -> bool:
    root = Path(str(distribution.locate_file(""))).absolute()
    record = distribution.read_text("RECORD")
    if record is None or not path.is_relative_to(root):
        return False
    inside = path.relative_to(root).as_posix()
    # Searched as text: parsing every RECORD of an environment takes a second.
    end = "," if path.is_file() else "/__init__.py," if (path / "__init__.py").exists() else "/"
    return f"\n{inside}{end}" in f"\n{record}"
