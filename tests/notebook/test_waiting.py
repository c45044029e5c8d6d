"""Bars: what they claim, and that they come, move and go in a real kernel."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import nbformat
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient

from nbfn.notebook.bars import Bar, html, text
from nbfn.notebook.waiting import Waiting

if TYPE_CHECKING:
    import pytest
    from IPython.core.interactiveshell import InteractiveShell
    from nbformat import NotebookNode


def test_bytes_and_items_are_said_as_such() -> None:
    bar = Bar("greet", "capture")
    assert text(bar) == "greet: reading what it uses …"
    pushed = bar.told("push", 1_500_000, 6_000_000)
    assert text(pushed) == f"[{'█' * 6}{'░' * 18}] greet: sending the image, 1.5 of 6.0 MB"
    assert ElementTree.fromstring(html(pushed)).find("progress").get("value") == "0.250"  # type: ignore[union-attr]
    assert text(pushed.told("fetch", 1, 3)).endswith("greet: getting the base image, 1 of 3")
    fetching = replace(pushed.told("wheels", 0, 3), seconds=4.2)
    assert text(fetching) == "greet: getting packages, 4 s …", "they come all at once"
    assert ElementTree.fromstring(html(fetching)).find("progress").get("value") is None  # type: ignore[union-attr]
    building = pushed.told("build", 6, 11)
    assert text(building) == f"[{'█' * 13}{'░' * 11}] greet: building, step 7 of 11", "six are done"
    assert text(building.told("build", 1, 1)) == "greet: deploying …"
    waiting = pushed.told("push", 6_000_000, 6_000_000)
    assert text(waiting) == "greet: deploying …", "nothing is known of how long the rest takes"
    assert ElementTree.fromstring(html(waiting)).find("progress").get("value") is None  # type: ignore[union-attr]


@given(st.text(), st.text(), st.integers(-5, 10**12), st.integers(-5, 10**12))
def test_no_share_is_more_than_all_and_html_holds(title: str, what: str, done: int, total: int) -> None:
    bar = Bar(title, "capture").told(what, done, total)
    assert bar.share is None or 0 <= bar.share <= 1
    assert "<script" not in html(Bar("<script>", "<b>"))
    assert text(bar)


class Recording(NotebookClient):
    """Keeps what was displayed, and each update, as it comes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen: list[tuple[str, str]] = []

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> Any:
        if msg["msg_type"] in ("display_data", "update_display_data"):
            self.seen.append((msg["msg_type"], msg["content"]["data"].get("text/plain", "")))
        return super().process_message(msg, cell, cell_index)


SLOW_CAPTURE = """
from nbfn.session import current
session = current()
deploy = session.deploy

def slowly(*args, progress, **options):
    progress("push", 1_000_000, 4_000_000)
    time.sleep(1.2)
    return deploy(*args, progress=progress, **options)

session.deploy = slowly
"""
NAP = "%%fn_deploy --memory 64\ndef nap(s):\n    import time\n    time.sleep(s)\n    return s\n"


def test_bars_come_move_and_go(private: dict[str, str]) -> None:
    sources = (
        "%load_ext nbfn\nimport time",
        SLOW_CAPTURE,
        NAP,
        "print(len(list(nap.map([0.3] * 8, concurrency=2))))",
        "print(len(list(nap.map([0.001] * 4))))",
    )
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = Recording(made, kernel_name="python3", timeout=90)
    client.execute(env=private)
    deployed, mapped, quick = made.cells[2:]

    bars = [plain for _, plain in client.seen if "sending the image, 1.0 of 4.0 MB" in plain]
    assert bars, "a deployment that takes longer shows how far it is"
    (shown,) = (out for out in deployed.outputs if out.output_type == "display_data")
    assert "nbfn-card" in shown.data["text/html"], "and the card takes its place"

    counts = [plain for _, plain in client.seen if "nap: calls, " in plain and " of 8" in plain]
    assert len(counts) >= 2
    gone = [out.data["text/plain"] for out in mapped.outputs if out.output_type == "display_data"]
    assert gone == [""], "it has gone when the map is over"
    assert [out.output_type for out in quick.outputs] == ["stream"], "what is quick shows none"


def test_in_a_terminal_it_is_a_line_that_goes(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = os.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stderr", terminal)
        with Waiting(shell).deploying("greet") as bar:
            bar("push", 1_000_000, 4_000_000)
            seen = os.read(ours, 4096)
        seen += os.read(ours, 4096)
    os.close(ours)
    line = f"\r\x1b[K[{'█' * 6}{'░' * 18}] greet: sending the image, 1.0 of 4.0 MB"
    assert seen.decode() == f"{line}\r\x1b[K"
