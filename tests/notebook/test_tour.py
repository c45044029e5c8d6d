"""The tour as a person meets it: in JupyterLab, in a browser, cell after cell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

if TYPE_CHECKING:
    from tests.notebook.conftest import Lab

TOUR = Path(__file__).parents[2] / "notebooks/00_tour.ipynb"

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300), pytest.mark.xdist_group("lab")]


def test_the_tour_goes_from_cold_to_warm_and_scales_out_on_the_page(lab: Lab) -> None:
    tour = nbformat.read(TOUR, as_version=4)
    places = {cell.id: at for at, cell in enumerate(c for c in tour.cells if c.cell_type == "code")}
    page = lab.show("tour", tour, height=6000)

    def run_until(cell_id: str) -> None:
        while (at := next(waiting, None)) is not None:
            lab.run(page, at)
            if at == places[cell_id]:
                return

    waiting = iter(range(len(places)))
    run_until("deploy")
    card = page.locator(".nbfn-card")
    card.get_by_text("not called yet: the first call is cold").wait_for()
    run_until("cold-why")
    card.locator(".nbfn-call-cold").get_by_text("first call").wait_for()
    assert card.locator(".nbfn-call-warm").count() == 0
    run_until("warm-why")
    card.locator(".nbfn-call-warm").first.wait_for()
    outputs = page.locator(".jp-OutputArea-output")
    outputs.get_by_text("{'Ana': 181.0, 'Bo': 73.6}").nth(1).wait_for()
    run_until("error")
    outputs.get_by_text("UnknownCurrency: no rate for 'XXX'").first.wait_for()
    run_until("burst")
    outputs.get_by_text("4 answers from 4 instances").wait_for()
    napping = page.locator(".nbfn-card").nth(1)
    # How many of them waited for their own instance depends on how fast the machine starts one.
    napping.get_by_text("others were busy").first.wait_for()
    run_until("end")
    outputs.get_by_text("no functions are deployed").wait_for()
