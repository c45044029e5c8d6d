"""A notebook that runs without anybody looking holds the whole story when it is saved."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import nbformat
from nbconvert import HTMLExporter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbformat import NotebookNode

DEPLOY = """%%fn_deploy --memory 128

def greet(name):
    print("called for", name)
    if not name:
        raise ValueError("nobody")
    return f"hello {name}"
"""

HELD = """
import json, threading
from nbfn import session

def held():
    subscriptions = [each for each in session.current()._subscriptions if each.open]
    threads = [each for each in threading.enumerate() if each.name == "nbfn-cards"]
    return json.dumps([len(subscriptions), len(threads)])
"""


def printed(cell: NotebookNode) -> str:
    """What the cell printed, in however many pieces it came."""
    return "".join(out.text for out in cell.outputs if out.output_type == "stream")


def card_of(cell: NotebookNode) -> NotebookNode:
    (shown,) = (each for each in cell.outputs if each.output_type == "display_data")
    return shown.data


def test_cold_warm_output_and_exception_are_in_the_saved_outputs(
    run_cells: Callable[..., NotebookNode],
) -> None:
    saved = run_cells(
        "%load_ext nbfn",
        DEPLOY.replace("--memory", "--app its-own --memory"),  # others deploy a greet to the same executor
        "greet('Ana')",
        "greet('Bo')",
        "greet('')",
        "greet.last.summary()",
        allow_errors=True,
    )
    _, deployed, first, second, failed, last = saved.cells

    card = card_of(deployed)
    assert set(card) == {"text/html", "text/plain"}, "a widget would be empty once its kernel is gone"
    root = ElementTree.fromstring(card["text/html"])
    starts = [each.get("class") for each in root.iter("tr") if "nbfn-call" in each.get("class", "")]
    assert starts == ["nbfn-call nbfn-call-warm", "nbfn-call nbfn-call-warm", "nbfn-call nbfn-call-cold"]
    assert [each.get("data-state") for each in root.iter("li")] == ["idle"]
    reasons = [each.text for each in root.iter("span") if each.get("class") == "nbfn-reason"]
    assert reasons == ["first call"]
    assert re.search(r"1  cold +\d+\.?\d* m?s", card["text/plain"])
    assert re.search(r"2  warm +\d+\.?\d* m?s", card["text/plain"])
    assert "called for Bo" in card["text/plain"]

    assert printed(first) == "called for Ana\n"
    assert first.outputs[-1].data["text/plain"] == "'hello Ana'"
    assert second.outputs[-1].data["text/plain"] == "'hello Bo'"

    error = failed.outputs[-1]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    assert (error.ename, error.evalue) == ("ValueError", "nobody")
    assert re.search(r"Cell In\[2\], line 6\b", plain)
    assert 'raise ValueError("nobody")' in plain
    assert "nbfn/" not in plain
    assert "warm" in last.outputs[-1].data["text/plain"]


def test_cards_leave_nothing_behind(run_cells: Callable[..., NotebookNode]) -> None:
    """Deploying again and again keeps one subscription and one thread."""
    deploy = "%%fn_deploy\ndef f():\n    return {n}\n"
    saved = run_cells(
        "%load_ext nbfn",
        HELD,
        deploy.format(n=1),
        "print(held())",
        *(deploy.format(n=n) for n in range(2, 5)),
        "f() and print(held())",
        "%unload_ext nbfn",
        "print(held())",
    )
    one, same, none = (json.loads(text) for cell in saved.cells if (text := printed(cell)))
    assert one == same == [1, 1]
    assert none == [0, 0]


BY_HTTP = """
import json, urllib.request
from nbfn import session
token = session.current().endpoint.token
urllib.request.urlopen(urllib.request.Request(
    greet.url, b'{"name": "Cy"}', {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
)).read()
"""


def test_a_call_that_somebody_else_makes_is_seen_too(run_cells: Callable[..., NotebookNode]) -> None:
    saved = run_cells("%load_ext nbfn", DEPLOY.replace("%%fn_deploy", "%%fn_deploy by-http"), BY_HTTP)
    assert "nbfn-call-cold" in card_of(saved.cells[1])["text/html"]
    assert 'data-outcome="ok"' in card_of(saved.cells[1])["text/html"]


def test_nbconvert_shows_the_card_without_a_kernel(run_cells: Callable[..., NotebookNode]) -> None:
    saved = run_cells("%load_ext nbfn", DEPLOY, "greet('Ana')")
    page, _ = HTMLExporter().from_notebook_node(saved)
    assert 'class="nbfn-call nbfn-call-cold"' in page


def test_papermill_keeps_the_story_and_nbconvert_shows_it(private: dict[str, str], tmp_path: Path) -> None:
    cells = ["%load_ext nbfn", DEPLOY, "greet('Ana')", "greet('Bo')", "%fn_dashboard greet"]
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    before, after, page = tmp_path / "in.ipynb", tmp_path / "out.ipynb", tmp_path / "out.html"
    nbformat.write(made, before)
    for words in (["papermill", before, after], ["nbconvert", "--to", "html", "--output", page, after]):
        done = subprocess.run(
            [sys.executable, "-m", *words], env=private, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
    saved = nbformat.read(after, as_version=4)
    assert "nbfn-call-warm" in card_of(saved.cells[1])["text/html"]
    assert printed(saved.cells[2]) == "called for Ana\n"
    shown = page.read_text("utf-8")
    for each in ("nbfn-call-cold", "nbfn-call-warm", "called for Bo", "nbfn-card nbfn-dash"):
        assert each in shown
    assert "nbfn-progress" not in shown, "no bar outlives what it was for"


def test_nothing_is_sent_when_nothing_happened(run_cells: Callable[..., NotebookNode]) -> None:
    saved = run_cells(
        "%load_ext nbfn",
        "%%fn_deploy\ndef f():\n    return 1\n",
        "f()",
        "sent = []\n"
        "ip = get_ipython()\n"
        "publish = ip.display_pub.publish\n"
        "ip.display_pub.publish = lambda *args, **kwargs: (sent.append(args), publish(*args, **kwargs))[1]",
        "1 + 1",
        "print(len(sent))",
    )
    assert printed(saved.cells[-1]) == "0\n"
