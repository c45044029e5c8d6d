"""PROJECT FOLDER → CAPTURE: a folder that nbfn exported, built here again as what it was."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbfn.containerize import host, read_requirements
from nbfn.errors import BadInput
from nbfn.spec import Capture, PythonVersion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbfn.projects.funcfile import FuncFile

RUNTIME_FOLDER = "nbfn_runtime"
"""Where nbfn's runtime is in an exported folder."""
DOCKERFILE_KEY = "dockerfile"
"""In ``nbfn.json``: the digest of the Dockerfile that was written with it."""
UNCHANGED_KEY = "unchanged"
"""In ``nbfn.json``: the fingerprint of the folder as it was written, with all packages, also those that the
function did not ask for itself. While it has that one it is the function that was exported."""
BASE_KEY = "base"
"""In ``nbfn.json``: what the function was built on, if not on ``host``."""

_OWN = ("func.py", "func.yaml", "func.yml", "nbfn.json", "requirements.txt", "Dockerfile", RUNTIME_FOLDER)
_LEFT_OUT = (".*", "__pycache__", "*.pyc", "venv", "app.yaml")


def entry_of(folder: Path) -> dict[str, Any] | None:
    """What ``nbfn.json`` says if the folder is as nbfn exported it: the code may be another, but its
    Dockerfile is the one that came with it, and would build what nbfn builds."""
    try:
        entry = json.loads((folder / "nbfn.json").read_bytes())
        digest = hashlib.sha256((folder / "Dockerfile").read_bytes()).hexdigest()
    except (OSError, ValueError):
        return None
    return entry if isinstance(entry, dict) and entry.get(DOCKERFILE_KEY) == digest else None


def is_for_here(folder: Path) -> bool:
    """True if nbfn exported it, and from a kernel with this one's Python: no Docker is needed for it."""
    entry = entry_of(folder)
    return entry is not None and entry.get("python") == str(host.python())


def base_of(folder: Path) -> str:
    """What the function was built on before it was exported; empty for anything else than an export, and for
    this machine's own Python."""
    base = (entry_of(folder) or {}).get(BASE_KEY)
    return base if isinstance(base, str) else ""


def read_export(function: FuncFile) -> Capture:
    """The function in the folder, captured as it was before it was exported.

    Raises:
        BadInput: ``func.py`` is not there.
        RequirementError: ``requirements.txt`` is not there, or a line of it cannot be read.
    """
    folder, entry = function.folder, entry_of(function.folder) or {}
    try:
        source = (folder / "func.py").read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{folder} has no func.py: {error.strerror}", hint="export it again") from None
    found = as_captured(entry, source, _files(folder), read_requirements(folder / "requirements.txt"))
    if found.fingerprint == entry.get(UNCHANGED_KEY):
        return replace(found, stands_for=str(entry.get("fingerprint")))
    return found


def as_captured(
    entry: Mapping[str, Any], source: str, files: Mapping[str, bytes], requirements: Sequence[str]
) -> Capture:
    """What a folder with the entry ``nbfn.json`` holds, as a capture."""
    return Capture(
        handler=str(entry.get("handler")),
        style="context" if entry.get("style") == "context" else "values",
        source=source,
        python=PythonVersion(*map(int, str(entry.get("python")).split("."))),
        files=files,
        requirements=tuple(requirements),
        preload=tuple(entry.get("preload") or ()),
        by_value=bool(entry.get("by_value")),
        config=dict.fromkeys(entry.get("secrets") or (), ""),
    )


def _files(folder: Path) -> dict[str, bytes]:
    found = {}
    for place, folders, files in os.walk(folder):
        top = place == str(folder)
        folders[:] = sorted(name for name in folders if not _is_left_out(name, top))
        for name in sorted(files):
            if not _is_left_out(name, top):
                path = Path(place) / name
                found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def _is_left_out(name: str, top: bool) -> bool:
    return (top and name in _OWN) or any(fnmatch.fnmatch(name, pattern) for pattern in _LEFT_OUT)
