"""A notebook without a kernel: cells are run, recorded and findable by their lines, as IPython does it."""

from __future__ import annotations

import linecache
import textwrap

from nbfn.capture import Cells


class Notebook:
    """``namespace`` is what its cells made."""

    def __init__(self) -> None:
        self.cells = Cells()
        self.namespace: dict[str, object] = {"__name__": "__main__"}
        self._count = 0

    def run(self, source: str) -> None:
        """Execute one cell."""
        self._count += 1
        source = textwrap.dedent(source)
        filename = f"<cell {self._count} of {id(self):x}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        self.cells.record(source, number=self._count, cell_id=None, filename=filename)
        exec(compile(source, filename, "exec"), self.namespace)
