"""The cells of a shell: each one recorded as it runs, and the body of a ``%%`` cell run honestly.

Honestly means: the names, values and errors are those of an ordinary cell, and line 2 of what the person
sees is line 2 in every traceback, although IPython hands a magic only what follows its own line.
"""

from __future__ import annotations

import ast
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.errors import CellError
from nbfn.notebook.errors import Line, draw_from

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from IPython.core.interactiveshell import ExecutionInfo, InteractiveShell

    from nbfn.capture import Cells


@dataclass(frozen=True, slots=True)
class Body:
    """What follows the line of a cell magic, as Python, with blank lines where that line stands."""

    source: str
    number: int
    cell_id: str | None

    def line(self, number: int) -> Line:
        """Its line ``number`` (counted in the cell), for an error that points there."""
        return Line(f"Cell In[{self.number}]", number, self.source.splitlines())


class Recorder:
    """Tells ``cells`` of every cell that ``shell`` runs, under the file name that IPython gives it."""

    def __init__(self, shell: InteractiveShell, cells: Cells) -> None:
        self._shell = shell
        self._cells = cells
        self._running: tuple[str, int, str | None] = ("", 0, None)

    def before_cell(self, info: ExecutionInfo) -> None:
        """A hook for ``pre_run_cell``."""
        number = self._shell.execution_count - (1 if info.store_history else 0)
        raw = info.raw_cell or ""
        self._running = raw, number, info.cell_id
        try:
            plain = self._shell.transform_cell(raw)
        except SyntaxError:
            return  # IPython says so itself, and the cell does not run
        filename = self._shell.compile.get_code_name(raw, plain, number)
        self._cells.record(plain, number=number, cell_id=info.cell_id, filename=filename)

    def body(self, cell: str) -> Body:
        """``cell``, which a magic of the running cell was given, with the person's own line numbers."""
        raw, number, cell_id = self._running
        above = max(raw.rstrip().rfind(cell.rstrip()), 0)
        try:
            plain = self._shell.transform_cell(cell)
        except SyntaxError:
            plain = cell  # whoever parses it finds the same error, with its line
        else:
            plain = "\n" * _leading_blank_lines(cell) + plain  # IPython dropped them
        return Body("\n" * raw.count("\n", 0, above) + plain, number, cell_id)

    def run(self, body: Body) -> None:
        """Run ``body`` in the shell's namespace; the value of a last expression is displayed.

        Raises:
            CellError: it does not compile; then none of it has run.
            Exception: what the body raised, drawn without the frames of magics.
        """
        shell = self._shell
        filename = shell.compile.cache(body.source, body.number, raw_code=body.source)
        code = self._compile(body, filename)
        self._cells.record(body.source, number=body.number, cell_id=body.cell_id, filename=filename)
        try:
            for part in code:
                shell.ex(part)
        except Exception as error:
            trace = error.__traceback__
            while trace is not None and trace.tb_frame.f_code.co_filename != filename:
                trace = trace.tb_next
            draw_from(shell, error, trace)
            raise

    def _compile(self, body: Body, filename: str) -> list[CodeType]:
        compiler: Callable[..., CodeType] = self._shell.compile  # it takes trees too
        try:
            tree = self._shell.transform_ast(self._shell.compile.ast_parse(body.source, filename=filename))
            last = [tree.body.pop()] if tree.body and isinstance(tree.body[-1], ast.Expr) else []
            code = [compiler(tree, filename, "exec")]
            return code + [compiler(ast.Interactive([node]), filename, "single") for node in last]
        except SyntaxError as error:  # some are seen only here: a return outside of a function
            raise CellError(f"the cell is not Python: {error.msg}", line=error.lineno) from error


def _leading_blank_lines(text: str) -> int:
    return sum(1 for _ in itertools.takewhile(lambda line: not line.strip(), text.splitlines()))
