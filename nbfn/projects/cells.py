"""CELL → PROJECT FOLDER: a cell in another language than Python, as the Fn CLI would have it on disk."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn import yamlfile
from nbfn.errors import BadInput, StateError
from nbfn.projects.boilerplate import absent, find
from nbfn.projects.funcfile import SCHEMA, FuncFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LANGUAGES = ("go", "node")
"""What a cell may be in, beside Python; a version may follow (``node22``)."""

# Where the line of the magic stood: the compiler's line numbers are then the cell's.
_FIRST_LINE = "// A cell of a notebook: line 2 here is line 2 there.\n"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's code, and what is to be made of it."""

    name: str
    runtime: str
    source: str
    """What follows the magic's line."""
    requires: Sequence[str] = ()
    """Packages of its language, with versions: ``PATH@v1.2.3`` for Go, ``NAME@^1.2`` for Node."""
    build_image: str = ""
    run_image: str = ""
    """Instead of the runtime's own."""


def write(cell: Cell, folder: Path) -> FuncFile:
    """Make ``folder`` the function of ``cell``; what was in it before is gone.

    Raises:
        BadInput: the runtime is not known, or a required package is not written as it should be.
        StateError: the folder cannot be written.
    """
    files = files_of(cell)
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StateError(f"{folder} cannot be written: {error.strerror}") from error
    return FuncFile(folder / "func.yaml")


def files_of(cell: Cell) -> Mapping[str, str]:
    """The text of each file of the folder. Pure. Raises as :func:`write`."""
    known, language = find(cell.runtime), language_of(cell.runtime)
    if known is None or not language:
        hint = (
            f"a cell is in Python (no --runtime), or one of: {', '.join(LANGUAGES)}; "
            "other languages are deployed as folders: `%fn init`, `%fn deploy`"
        )
        raise absent(cell.runtime, hint) if language else BadInput(f"runtime is {cell.runtime!r}", hint=hint)
    if not cell.source.strip():
        raise BadInput(
            f"the cell of {cell.name!r} is empty", hint=f"write its {language} code below the line"
        )
    about = {
        "schema_version": SCHEMA,
        "name": cell.name,
        "version": "0.0.1",
        "runtime": cell.runtime,
        "build_image": cell.build_image or known.build_image,
        "run_image": cell.run_image or known.run_image,
        "entrypoint": known.entrypoint,
    }
    source = cell.source if cell.source.endswith("\n") else f"{cell.source}\n"
    code, packages, listed = _FILES[language]
    return {
        "func.yaml": yamlfile.dump(about),
        code: _FIRST_LINE + source,
        packages: listed(known.files[packages], cell.requires),
    }


def language_of(runtime: str) -> str:
    """``go`` or ``node``; empty for anything else."""
    return next((each for each in LANGUAGES if runtime.startswith(each)), "")


def _go_mod(text: str, requires: Sequence[str]) -> str:
    lines = []
    for each in requires:
        path, at, version = each.partition("@")
        if not (path and at and version):
            raise BadInput(f"--requires has {each!r}", hint="write a module of Go as PATH@VERSION")
        lines.append(f"require {path} {version}\n")
    return text + "".join(lines)


def _package_json(text: str, requires: Sequence[str]) -> str:
    document = json.loads(text)
    for each in requires:
        name, _, version = each.rpartition("@")
        if not name:  # without a version; an @ at the beginning is of the name
            name, version = each, "*"
        if not version:
            raise BadInput(f"--requires has {each!r}", hint="write a package of Node as NAME or NAME@VERSION")
        document["dependencies"][name] = version
    return json.dumps(document, indent=2) + "\n"


# Of each language: the file of the code, that of its packages, and how those are written into it.
_FILES = {
    "go": ("func.go", "go.mod", _go_mod),
    "node": ("func.js", "package.json", _package_json),
}
