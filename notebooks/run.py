"""Run a notebook in a real kernel and print what a person would have seen.

``python notebooks/run.py NOTEBOOK [--save OUT.ipynb]``: cells and their outputs as text, as they come. The
executor keeps its state in a private folder that is removed afterwards, so the first call is a cold one.
Exits with 1 if a cell fails that is not tagged ``raises-exception``.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--save", type=Path, help="keep the executed notebook here")
    options = parser.parse_args()
    notebook = nbformat.read(options.notebook, as_version=4)
    with tempfile.TemporaryDirectory(prefix="nbfn-") as state:
        os.environ["NBFN_STATE"] = state
        os.environ.setdefault("NBFN_LINGER_S", "5")
        try:
            _execute(notebook, options.notebook.parent, ipc=f"{state}/kernel")
        except CellExecutionError:
            print("\nThe cell above failed.", file=sys.stderr)
            return 1
        finally:
            subprocess.run([sys.executable, "-m", "nbfn", "stop"], stdout=subprocess.DEVNULL, check=False)
            if options.save:
                nbformat.write(notebook, options.save)
    return 0


def _execute(notebook: Any, folder: Path, ipc: str) -> None:
    seen: dict[int, str] = {}

    def started(cell: Any, cell_index: int) -> None:
        if cell.cell_type == "markdown":
            print(f"\n{_bold(cell.source)}")

    def executed(cell: Any, cell_index: int, execute_reply: Any) -> None:
        number = execute_reply["content"].get("execution_count", " ")
        head = f"In [{number}]: "
        print("\n" + _bold(head) + cell.source.replace("\n", "\n" + " " * len(head)))
        seen.update((id(output), _text(output)) for output in cell.outputs)
        for output in cell.outputs:
            print(seen[id(output)], flush=True)
        # A card in an earlier cell shows what this one did: tell it as it is now.
        for output in (output for each in notebook.cells for output in each.get("outputs", ())):
            if id(output) in seen and (text := _text(output)) != seen[id(output)]:
                seen[id(output)] = text
                print(_dim(text), flush=True)

    client = NotebookClient(
        notebook,
        # Over IPC nobody else on the machine can reach the kernel.
        km=AsyncKernelManager(kernel_name="python3", transport="ipc", ip=ipc),
        timeout=300,
        resources={"metadata": {"path": str(folder)}},
        on_cell_start=started,
        on_cell_executed=executed,
    )
    client.execute()


def _text(output: Any) -> str:
    if output.output_type == "stream":
        return _plain(output.text).rstrip("\n")
    if output.output_type == "error":
        return _plain("\n".join(output.traceback))
    return _plain(output.data.get("text/plain", ""))


def _plain(text: str) -> str:
    return text if _COLOUR else _ANSI.sub("", text)


def _dim(text: str) -> str:
    lines = "\n".join(f"  | {line}" for line in text.splitlines())
    return f"\x1b[2m{lines}\x1b[0m" if _COLOUR else lines


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if _COLOUR else text


if __name__ == "__main__":
    sys.exit(main())
