"""What the kernel executed: which cell made a name, and the text behind a code object's file name."""

from __future__ import annotations

import ast
import linecache
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.capture.bindings import Import, bound_names, changed_names, imports_of, module_scope

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAGIC_LINE = re.compile(r"^([ \t]*)(?:[%!].*)$", re.MULTILINE)


def parse(text: str) -> ast.Module | None:
    """The tree of a cell; lines of magics count as ``pass`` where they keep it from parsing.

    None if it is not Python even then.
    """
    for attempt in (text, _MAGIC_LINE.sub(r"\1pass", text)):
        try:
            return ast.parse(attempt)
        except (SyntaxError, ValueError):
            continue
    return None


@dataclass(frozen=True, slots=True)
class CellInfo:
    """One executed cell."""

    source: str
    number: int | None
    """Its execution count, as ``[3]`` in the notebook."""
    cell_id: str | None
    filename: str
    """``co_filename`` of the code compiled from it."""
    names: dict[str, int] = field(default_factory=dict, repr=False)
    """What it binds at its top level, with the line."""
    imports: tuple[Import, ...] = ()
    changes: frozenset[str] = frozenset()
    """Names whose values it may change in place."""
    tree: ast.Module | None = field(default=None, repr=False)

    @property
    def label(self) -> str:
        """How to name it to a person: ``cell 3``, or the name of the file that stands for a cell."""
        if self.number is not None:
            return f"cell {self.number}"
        return Path(self.filename).name if self.filename.endswith(".py") else "a cell"


class Cells:
    """The cells that a kernel executed, oldest first. A cell executed twice is there twice."""

    def __init__(self) -> None:
        self.cells: list[CellInfo] = []
        """Every execution, oldest first."""

    def record(self, raw: str, *, number: int | None, cell_id: str | None, filename: str) -> None:
        """Note an executed cell. ``raw`` is its text, as plain Python where the caller can give that."""
        tree = parse(raw)
        names = {} if tree is None else bound_names(tree)
        imports: tuple[Import, ...] = ()
        if tree is not None:
            imports = tuple(found for node in module_scope(tree) for found in imports_of(node))
        changes = frozenset[str]() if tree is None else changed_names(tree)
        self.cells.append(CellInfo(raw, number, cell_id, filename, names, imports, changes, tree))

    @classmethod
    def over(cls, namespace: Mapping[str, object], cells: Cells | None) -> Cells:
        """``cells``, and below them the script or module whose namespace this is, if it has a file."""
        found = cls()
        path = namespace.get("__file__")
        if isinstance(path, str) and Path(path).is_file():
            found.record("".join(linecache.getlines(path)), number=None, cell_id=None, filename=path)
        found.cells += cells.cells if cells else []
        return found

    def newest_first(self) -> list[CellInfo]:
        """Every execution, the last one first."""
        return self.cells[::-1]

    def made(self, name: str) -> CellInfo | None:
        """The cell that bound ``name`` last."""
        return next((cell for cell in self.newest_first() if name in cell.names), None)

    def changed(self, name: str) -> list[CellInfo]:
        """The cells that may have changed the value of ``name`` in place since it was bound, oldest first."""
        found: list[CellInfo] = []
        for cell in self.newest_first():
            if name in cell.names:
                break
            if name in cell.changes:
                found.append(cell)
        return found[::-1]

    def of_file(self, filename: str) -> CellInfo | None:
        """The cell that code with this ``co_filename`` was compiled from."""
        return next((cell for cell in self.newest_first() if cell.filename == filename), None)

    def imports(self, name: str) -> list[Import]:
        """The import statements that may have bound ``name``, newest first, ``import *`` among them."""
        return [
            found
            for cell in self.newest_first()
            for found in reversed(cell.imports)
            if found.binds == name or found.name == "*"
        ]

    def imports_module(self, module: str) -> bool:
        """True if a cell says ``import module``, or one of its submodules, in so many words."""
        return any(
            not found.name and not found.alias and (found.module + ".").startswith(module + ".")
            for cell in self.cells
            for found in cell.imports
        )
