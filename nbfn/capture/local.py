"""Modules of the user's own: files beside the notebook, which travel as they are."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from nbfn.capture.limits import TOTAL_MAX_BYTES, readable_size
from nbfn.capture.modules import home_of
from nbfn.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_RESERVED = {"func", "data"}


def shipped(module: str) -> tuple[dict[str, bytes], set[str]]:
    """The files of a local module or package and of the local ones it imports, and what else they import.

    Paths are relative to func.py: ``helpers.py``, ``pkg/__init__.py``.

    Raises:
        CaptureError: a module whose name func.py's folder needs, or a package that is too large.
    """
    files: dict[str, bytes] = {}
    others: set[str] = set()
    todo, seen = [module.partition(".")[0]], set[str]()
    while todo:
        top = todo.pop()
        home = home_of(top)
        if top in seen:
            continue
        seen.add(top)
        if home.kind != "local" or home.path is None:
            others |= {top} if home.kind == "package" else set()
            continue
        if top in _RESERVED:
            raise CaptureError(
                f"the local module {top!r} ({home.path.name}) has a name that nbfn needs in the image",
                hint="rename the file, and the module where it is imported",
                name=top,
            )
        found = dict(_files(top, home.path))
        files |= found
        todo += sorted(
            name for path, data in found.items() if path.endswith(".py") for name in _imports(data)
        )
    return files, others


def _files(top: str, path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_file():
        yield path.name, path.read_bytes()
        return
    found = [file for file in sorted(path.rglob("*")) if file.is_file() and not _is_left(file, path)]
    sizes = {file.relative_to(path.parent).as_posix(): file.stat().st_size for file in found}
    if sum(sizes.values()) > TOTAL_MAX_BYTES:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
        shown = ", ".join(f"{name} {readable_size(sizes[name])}" for name in largest)
        raise CaptureError(
            f"the local package {top!r} takes {readable_size(sum(sizes.values()))}, and "
            f"{readable_size(TOTAL_MAX_BYTES)} is the most: {shown}",
            hint="move its data elsewhere, or install it as a package",
            name=top,
        )
    for file in found:
        yield f"{top}/{file.relative_to(path).as_posix()}", file.read_bytes()


def _is_left(file: Path, package: Path) -> bool:
    """True for what no package needs: compiled files and hidden ones."""
    inner = file.relative_to(package).parts
    return file.suffix == ".pyc" or any(part.startswith(".") or part == "__pycache__" for part in inner)


def _imports(source: bytes) -> set[str]:
    """Top-level packages that a file imports."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found
