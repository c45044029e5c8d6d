"""A map that takes long has a bar under its cell; one that does not has none."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from nbfn.calls.bars import Standing
from nbfn.notebook.bar import drawn, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbformat import NotebookNode

CELL = """
import nbfn, time

@nbfn.function
def nap(seconds):
    time.sleep(seconds)
    if seconds < 0.1:
        raise LookupError("too short")

nap(0.1)
"""


def test_shown_once_and_with_what_became_of_it(run_cells: Callable[..., NotebookNode]) -> None:
    saved = run_cells(
        "%load_ext nbfn",
        CELL,
        "mapped = list(nap.map([0.7, 0.01, 0.2], concurrency=1, return_exceptions=True))",
        "list(nap.map([0.7], progress=False))",
        "mapped = list(nap.map([0.1]))",
    )
    shown = [each for each in saved.cells[2].outputs if each.output_type == "display_data"]
    (bar,) = shown
    assert bar.data["text/plain"].startswith("nap: 3 of 3 done, 1 failed, ")
    bar_itself = ElementTree.fromstring(bar.data["text/html"]).find("progress")
    assert bar_itself is not None
    assert (bar_itself.get("value"), bar_itself.get("max")) == ("3", "3")
    for quiet in saved.cells[3:]:
        assert not [each for each in quiet.outputs if each.output_type == "display_data"]


@given(
    st.builds(
        Standing,
        name=st.text("abc<&'\"", min_size=1),
        done=st.integers(0, 10**6),
        failed=st.integers(0, 10**6),
        total=st.none() | st.integers(0, 10**6),
        seconds=st.floats(0, 1e6),
        is_waited_for=st.booleans(),
    )
)
def test_any_standing_is_drawn(standing: Standing) -> None:
    told = words(standing)
    span = ElementTree.fromstring(drawn(standing, told)).find("span")
    assert span is not None
    assert span.text == told
