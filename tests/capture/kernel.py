"""Executes cells as IPython does: each compiled under a file name of its own that linecache knows."""

from __future__ import annotations

import linecache
from typing import TYPE_CHECKING, Any

from nbfn.capture import Cells, capture

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nbfn.spec import Capture


class Kernel:
    """A namespace and the cells that filled it. Numbers begin after ``number``."""

    def __init__(self, mark: str, number: int = 0) -> None:
        self.namespace: dict[str, object] = {"__name__": "__main__", "__builtins__": __builtins__}
        self.cells = Cells()
        self._mark, self._number = mark, number

    def run(self, *sources: str) -> Kernel:
        """Execute cells."""
        for source in sources:
            self._number += 1
            filename = f"<ipython-input-{self._number}-{self._mark}>"
            linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
            self.cells.record(source, number=self._number, cell_id=None, filename=filename)
            try:
                code = compile(source, filename, "exec", dont_inherit=True)
            except SyntaxError:
                continue
            exec(code, self.namespace)
        return self

    def run_folder(self, folder: Path) -> Kernel:
        """Execute ``01.py``, ``02.py``… of a folder."""
        return self.run(*(path.read_text() for path in sorted(folder.glob("[0-9][0-9].py"))))

    def capture(self, name: str, requires: Sequence[str] = ()) -> Capture:
        """Capture what ``name`` is bound to."""
        target: Any = self.namespace[name]
        return capture(target, namespace=self.namespace, cells=self.cells, requires=requires)


def write(captured: Capture, folder: Path) -> None:
    """Lay out func.py and its files, as an image's code layer does."""
    (folder / "func.py").write_text(captured.source, encoding="utf-8")
    for path, data in captured.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
