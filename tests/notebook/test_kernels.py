"""The tour in kernels old and new: each ipykernel sends what comes from threads in a way of its own."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from tests.notebook.conftest import stop_executor

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
TOUR = ROOT / "notebooks/00_tour.ipynb"
NEWEST = "newest"

SLOW = """
%%fn_deploy slow --memory 128
import time

def slow(n):
    time.sleep(0.8)
    print("slept for", n)
    return n
"""
IN_THREAD = """
import threading
answers = []
caller = threading.Thread(target=lambda: answers.append(slow(1)))
caller.start()
caller.join()
print(answers)
"""
MAPPED = "import ipykernel\nprint(sorted(slow.map([2, 3])), ipykernel.__version__)"

WORK = """
%%fn_deploy work --memory 128 --idle-timeout 30 --quiet
import time
def work(seconds: float = 0.1, who: str = "Ana") -> str:
    print("working for", who, flush=True)
    time.sleep(seconds)
    return f"done for {who}"
"""
DASHBOARDS = (
    "%load_ext nbfn",
    WORK,
    "%fn_dashboard work",
    "print(work(0.01))",
    "print(work(0.01, who='Bo'))",
    "%fn_dashboard",
    "print(*work.map([0.3] * 3, ['Cy'] * 3))",
    "try:\n    work('much')\nexcept Exception as error:\n    print(type(error).__name__)",
)

VERSIONS = pytest.mark.parametrize("version", ["6.31", "7.0.1", NEWEST])
pytestmark = [pytest.mark.needs("kernels"), pytest.mark.timeout(240)]


class Recording(NotebookClient):
    """Also keeps every update of a display as it comes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.updates: list[str] = []

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> Any:
        if msg["msg_type"] == "update_display_data":
            self.updates.append(msg["content"]["data"].get("text/html", ""))
        return super().process_message(msg, cell, cell_index)


def kernel(version: str, folder: Path) -> AsyncKernelManager:
    """A kernel of this ipykernel, found in ``folder``."""
    python = Path(sys.executable) if version == NEWEST else ROOT / f".venv-kernel-{version}/bin/python"
    place = folder / "kernels/python3"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(
        f'{{"argv": ["{python}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"],'
        ' "display_name": "Python", "language": "python"}'
    )
    specs = KernelSpecManager(kernel_dirs=[str(place.parent)], ensure_native_kernel=False)
    return AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)


def printed(cell: NotebookNode) -> str:
    return "".join(out.text for out in cell.outputs if out.output_type == "stream")


def card_of(cell: NotebookNode) -> ElementTree.Element:
    (shown,) = (each for each in cell.outputs if "text/html" in each.get("data", {}))
    return ElementTree.fromstring(shown.data["text/html"])


def number_of(picture: ElementTree.Element, what: str) -> str:
    """One of the large numbers of a dashboard."""
    (shown,) = (each for each in picture.iter("div") if each.get("data-what") == what)
    return "".join(shown.find("dd").itertext())  # type: ignore[union-attr]


def starts(card: ElementTree.Element) -> list[str]:
    """Whether the calls on it were cold or warm, oldest first."""
    classes = [row.get("class", "") for row in card.iter("tr")]
    return [each.rpartition("-")[2] for each in reversed(classes) if "nbfn-call-" in each]


@VERSIONS
def test_the_tour_and_what_threads_send(version: str, state: Path, private: dict[str, str]) -> None:
    tour = nbformat.read(TOUR, as_version=4)
    *cells, end = (cell for cell in tour.cells if cell.cell_type == "code")
    more = [nbformat.v4.new_code_cell(source.strip()) for source in (SLOW, IN_THREAD, MAPPED)]
    tour.cells = [*cells, *more, end]
    client = Recording(tour, km=kernel(version, state), timeout=120)
    environment = private | {"NBFN_STATE": str(state / "s"), "IPYTHONDIR": str(state / "ipython")}
    try:
        client.execute(env=environment, cleanup_kc=True)
    finally:
        stop_executor(state / "s")
    by_id = {cell.id: cell for cell in cells}

    assert starts(card_of(by_id["deploy"])) == ["cold", "warm", "warm", "warm"]
    for name, start in (("cold", "cold"), ("warm", "warm")):
        assert printed(by_id[name]) == "3 orders of 2 customers\n"
        assert by_id[name].outputs[-1].data["text/plain"] == "{'Ana': 181.0, 'Bo': 73.6}"
        assert start in printed(by_id[f"{name}-why"])
    trace = "\n".join(by_id["error"].outputs[-1].traceback)
    assert "no rate for 'XXX'" in trace
    assert "nbfn/" not in trace
    assert re.fullmatch(r"4 answers from [2-4] instances\n", printed(by_id["burst"]))  # as fast as they start

    deployed, threaded, mapped = more
    # What a call wrote in another thread is on the card; it lands in no cell that did not ask for it.
    assert printed(threaded) == "[1]\n"
    assert "slept for 1" in ElementTree.tostring(card_of(deployed), "unicode")
    found = re.fullmatch(r"\[2, 3\] (\S+)\n", printed(mapped))
    assert found
    assert version == NEWEST or found[1].startswith(version)
    assert starts(card_of(deployed))[:2] == ["cold", "warm"]
    assert len(starts(card_of(deployed))) == 3
    # Drawn while the call ran, by the thread that draws: at the end of the cell nothing is busy any more.
    assert any('data-state="busy"' in each and "slow" in each for each in client.updates)


@VERSIONS
def test_dashboards_are_drawn_to_the_end(version: str, state: Path, private: dict[str, str]) -> None:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each.strip()) for each in DASHBOARDS])
    client = Recording(made, km=kernel(version, state), timeout=120)
    environment = private | {"NBFN_STATE": str(state / "s"), "IPYTHONDIR": str(state / "ipython")}
    try:
        client.execute(env=environment, cleanup_kc=True)
    finally:
        stop_executor(state / "s")
    _, _, of_one, first, second, of_all, mapped, wrong = made.cells
    assert printed(first) == "working for Ana\ndone for Ana\n"
    assert printed(second) == "working for Bo\ndone for Bo\n"
    assert printed(mapped).endswith("done for Cy done for Cy done for Cy\n")
    assert printed(wrong) == "working for Ana\nTypeError\n"
    for cell in (of_one, of_all):
        picture = card_of(cell)
        assert int(number_of(picture, "cold")) + int(number_of(picture, "warm")) == 6
        assert number_of(picture, "failed") == "1"
        assert number_of(picture, "running") == "0"
        text = ElementTree.tostring(picture, "unicode")
        assert "first call" in text
        assert "working for Cy" in text
        assert 'role="img"' in text
    assert any("working for Cy" in each for each in client.updates), "drawn again while later cells ran"
