"""Import lines: which one binds a live object to a name, and how they are written."""

from __future__ import annotations

import ast
import contextlib
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.capture.bindings import Import
from nbfn.capture.modules import home_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nbfn.capture.cells import Cells

CATCHES_IMPORT_ERROR = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


def import_of(name: str, value: object, cells: Cells, main: str = "__main__") -> Import | None:
    """The import line that binds ``name`` to this very ``value``; None if it was not imported.

    A line that the user wrote wins, then the shortest public path to the object.
    """
    for written in cells.imports(name):
        candidate = Import(written.module, name) if written.name == "*" else written
        if written.module.partition(".")[0] != main and _gives(candidate) is value:
            # ``import a.b`` binds ``a``; which submodules are needed shows in what the code uses.
            return candidate if candidate.name or candidate.alias else Import(candidate.binds)
    if isinstance(value, types.ModuleType):
        module = module_name(value)
        if module is None:
            return None
        return Import(module) if module == name else Import(module, alias=name)
    found = public_path(value, main)
    if found is None or "." in found[1]:
        return None
    module, attribute = found
    return Import(module, attribute, "" if attribute == name else name)


def module_name(module: types.ModuleType) -> str | None:
    """The name under which ``import`` finds ``module``; None for a module that only exists in memory."""
    name = module.__name__
    if sys.modules.get(name) is not module:
        name = min((key for key, value in sys.modules.items() if value is module), key=len, default="")
    if not name or (home_of(name).kind == "missing"):
        return None
    return name


def public_path(value: object, main: str = "__main__") -> tuple[str, str] | None:
    """``(module, qualified name)`` of a library's class or function, by the shortest module that holds it."""
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name:
        return None
    if module in (main, "__main__", "builtins") or module not in sys.modules:
        return None
    parts = module.split(".")
    parents = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
    public = module.removeprefix("_")  # ``operator.add`` says that it is of ``_operator``
    for parent in [public, *parents] if public != module else parents:
        if _attribute(sys.modules.get(parent), name) is value:
            return parent, name
    return None


def _attribute(start: object, path: str) -> object:
    with contextlib.suppress(Exception):  # a module's ``__getattr__`` may raise anything
        for part in path.split("."):
            start = getattr(start, part)
        return start
    return None


def _gives(line: Import) -> object:
    """What the line would bind now, without importing anything; a new object if it would fail."""
    if not line.name:
        return sys.modules.get(line.module if line.alias else line.binds) or object()
    held = getattr(sys.modules.get(line.module), "__dict__", {})
    if line.name in held:
        return held[line.name]
    found = _attribute(sys.modules.get(line.module), line.name)  # a module's ``__getattr__`` makes it
    return sys.modules.get(f"{line.module}.{line.name}", object()) if found is None else found


def submodules(module: types.ModuleType, chain: Sequence[str], cells: Cells) -> Iterator[str]:
    """Submodules reached by ``chain`` that ``import module`` may not bring along by itself."""
    at: object = module
    for attribute in chain:
        below = _attribute(at, attribute)
        if not isinstance(at, types.ModuleType) or not isinstance(below, types.ModuleType):
            return
        name = f"{at.__name__}.{attribute}"
        if sys.modules.get(name) is not below or not hasattr(at, "__path__"):
            return
        if cells.imports_module(name) or not _brings(at, attribute):
            yield name
        at = below


def _brings(package: types.ModuleType, submodule: str) -> bool:
    """True if the text of ``package/__init__.py`` speaks of importing the submodule."""
    try:
        tree = ast.parse(Path(package.__file__ or "").read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return False
    full = f"{package.__name__}.{submodule}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            prefix = package.__name__ + "." if node.level == 1 else ""
            source = f"{prefix}{node.module or ''}".rstrip(".")
            names = [source, *(f"{source}.{alias.name}" for alias in node.names)]
        else:
            continue
        if any(name == full or name.startswith(full + ".") for name in names):
            return True
    return False


def inner_imports(node: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """Modules that the body of a function or class imports: ``(module, line, guarded)``.

    ``guarded`` imports may fail: they stand in a ``try`` that catches ImportError or under
    ``if TYPE_CHECKING``.
    """
    yield from _inner(node, guarded=False)


def _inner(node: ast.AST, *, guarded: bool) -> Iterator[tuple[str, int, bool]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, node.lineno, guarded
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module, node.lineno, guarded
    catches = isinstance(node, ast.Try) and any(_catches(handler) for handler in node.handlers)
    typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    for field, value in ast.iter_fields(node):
        below = value if isinstance(value, list) else [value]
        spared = guarded or (field == "body" and (catches or typing_only))
        for child in below:
            if isinstance(child, ast.AST):
                yield from _inner(child, guarded=spared)


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(
        isinstance(node, ast.Name) and node.id in CATCHES_IMPORT_ERROR for node in ast.walk(handler.type)
    )


def written(lines: Iterable[Import]) -> list[str]:
    """The import section, sorted, in groups (standard library, packages, local) with a blank line between."""
    groups: dict[str, list[Import]] = {"stdlib": [], "package": [], "local": []}
    distinct = set(lines)
    plain = [line.module for line in distinct if not line.name and not line.alias]
    # ``import a.b`` binds ``a`` as well.
    distinct -= {Import(module) for module in plain if any(other.startswith(module + ".") for other in plain)}
    for line in sorted(distinct):
        groups[home_of(line.module).kind.replace("missing", "package")].append(line)
    texts: list[str] = []
    for group in groups.values():
        if group and texts:
            texts.append("")
        texts += [str(line) for line in group if not line.name]
        taken: dict[str, list[str]] = {}
        for line in group:
            if line.name:
                tail = f" as {line.alias}" if line.alias else ""
                taken.setdefault(line.module, []).append(line.name + tail)
        texts += [_from_line(module, names) for module, names in sorted(taken.items())]
    return texts


def _from_line(module: str, names: list[str], width: int = 100) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= width:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"
