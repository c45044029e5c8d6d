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
    local = path is not None and not _LIBRARY_FOLDERS & set(path.parts)
    if not local and (found := _distribution(top, path)):
        return Home("package", *found)
    return Home("missing") if path is None else Home("local", path=path)


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


@lru_cache(maxsize=1)
def _providers(_paths: tuple[str, ...], _stamps: tuple[float, ...]) -> dict[str, list[str]]:
    return {name: sorted(set(found)) for name, found in metadata.packages_distributions().items()}


def _distribution(top: str, path: Path | None) -> tuple[str, str] | None:
    """The distribution that installed ``top``, and its version."""
    # Reading every RECORD takes a while: a distribution named like its module is nearly always right.
    with_same_name = version_of(top)
    if with_same_name and path is not None and _owns(top, path):
        return canonicalize_name(top), with_same_name
    folders = [Path(folder) for folder in sys.path if folder and Path(folder).name in _LIBRARY_FOLDERS]
    stamps = tuple(folder.stat().st_mtime for folder in folders if folder.exists())
    names = _providers(tuple(sys.path), stamps).get(top, [])
    if len(names) > 1 and path is not None:  # a namespace that several share: the one that has the file
        names = [name for name in names if _owns(name, path)] or names
    if not names:
        return None
    return canonicalize_name(names[0]), version_of(names[0]) or ""


def _owns(distribution: str, path: Path) -> bool:
    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    wanted = path / "__init__.py" if path.is_dir() else path
    root = Path(str(found.locate_file(""))).absolute()
    if not wanted.is_relative_to(root):
        return False
    record = found.read_text("RECORD")
    if record is None:
        return any(str(name) == wanted.relative_to(root).as_posix() for name in found.files or ())
    return f"\n{wanted.relative_to(root).as_posix()}," in f"\n{record}"
