"""PROJECT FOLDER → CAPTURE: a Python function that is files already.

The FDK is not put into the image: nbfn's runtime serves ``handler(ctx, data)`` itself, and a small ``fdk``
stands in for what ``func.py`` imports of it.
"""

from __future__ import annotations

import ast
import fnmatch
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from nbfn.capture.requirements import pinned
from nbfn.errors import BadInput, LimitError, RequirementError
from nbfn.projects.exported import entry_of, read_export
from nbfn.spec import Capture, PythonVersion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbfn.projects.funcfile import FuncFile

_STAND_IN = Path(__file__).with_name("stand_in")
_HANDLER = "handler"
_MAX_BYTES = 100 * 2**20
# What is no part of the function.
_LEFT_OUT = (
    ".*",
    "__pycache__",
    "*.pyc",
    "venv",
    "node_modules",
    "func.yaml",
    "func.yml",
    "func.json",
    "app.yaml",
    "nbfn.json",
)


def capture_folder(function: FuncFile, *, fetch: bool = False) -> Capture:
    """The Python function in the folder of ``function``, fit to be built.

    ``fetch``: what ``requirements.txt`` asks for and is not installed here stays as it is written, for a base
    whose packages come as wheels (by uv, or by pip where there is no uv).

    Raises:
        BadInput: no ``func.py``, no such handler in it, or it is not Python.
        RequirementError: a line of ``requirements.txt`` cannot be read, or asks for what is not installed
            here and is not fetched.
        LimitError: the folder is too large.
    """
    if entry_of(function.folder) is not None:
        return read_export(function)
    file, handler = _entry(function)
    path = function.folder / file
    try:
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source, filename=str(path))
    except FileNotFoundError:
        raise BadInput(
            f"{function.folder.absolute()} has no {file}", hint="that is the file of the function"
        ) from None
    except (SyntaxError, UnicodeDecodeError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        raise BadInput(f"{path}{line} is not Python: {error}") from None
    style = _style(tree, handler, path)
    files = _files(function.folder)
    files.pop("func.py", None)
    if file != "func.py":
        source = f"from {file.removesuffix('.py').replace('/', '.')} import {handler}\n"
    wanted = _requirements(function.folder / "requirements.txt")
    return Capture(
        handler=handler,
        style=style,
        source=source,
        python=PythonVersion(*sys.version_info[:2]),
        files=files,
        requirements=pinned((), wanted, fetch=fetch),
    )


def _entry(function: FuncFile) -> tuple[str, str]:
    """File and handler of the entry point: ``/python/bin/fdk /function/func.py handler``."""
    words = shlex.split(f"{function.entrypoint} {function.cmd}")
    scripts = [place for place, word in enumerate(words) if word.endswith(".py")]
    if not scripts:
        return "func.py", _HANDLER
    at = scripts[-1]
    handler = words[at + 1] if at + 1 < len(words) else _HANDLER
    return words[at].removeprefix("/function/"), handler


def _style(tree: ast.Module, handler: str, path: Path) -> Literal["values", "context"]:
    """How the handler is called: as the FDK does it, ``(ctx, data)``, or with arguments of its own."""
    for node in reversed(tree.body):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name == handler:
                first = [each.arg for each in (*node.args.posonlyargs, *node.args.args)][:2]
                return "context" if first[:1] in (["ctx"], ["context"]) or first[1:] == ["data"] else "values"
            case ast.ClassDef(name=name) if name == handler:
                return "values"
            case ast.Assign(targets=[ast.Name(id=name)]) if name == handler:
                return "context"
            case ast.ImportFrom(names=names) if any((each.asname or each.name) == handler for each in names):
                return "context"
    raise BadInput(
        f"{path} defines no {handler!r}", hint="name the handler in func.yaml's entrypoint, or define it"
    )


def stand_in() -> dict[str, bytes]:
    """The stand-in for Fn's FDK, by path."""
    return {path.relative_to(_STAND_IN).as_posix(): path.read_bytes() for path in _walk(_STAND_IN)}


def _files(folder: Path) -> dict[str, bytes]:
    """All that lies in the folder, and the stand-in for the FDK, by path."""
    found, total = {}, 0
    for root in (_STAND_IN, folder):
        for path in _walk(root):
            total += path.stat().st_size
            if total > _MAX_BYTES:
                raise LimitError(
                    f"{folder} holds more than {_MAX_BYTES >> 20} MB",
                    hint="keep data elsewhere, or move what the function does not need out of its folder",
                )
            found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_left_out(name))
        yield from (Path(place) / name for name in sorted(files) if not _is_left_out(name))


def _is_left_out(name: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in _LEFT_OUT)


def _requirements(path: Path) -> list[str]:
    """The requirements in a file, without the FDK's, for which there is the stand-in."""
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.partition(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise RequirementError(
                f"{path}:{number}: {text!r} is not a requirement: {str(error).splitlines()[0]}",
                hint="write one requirement a line, like 'requests>=2'; options of pip are not understood",
            ) from None
        if canonicalize_name(requirement.name) != "fdk":
            found.append(text)
    return found
