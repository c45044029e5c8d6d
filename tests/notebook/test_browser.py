"""The card on the page of a real JupyterLab, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.notebook.conftest import pictured

if TYPE_CHECKING:
    from tests.notebook.conftest import Lab

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(240), pytest.mark.browser]

CELLS = """%load_ext nbfn
---
%%fn_deploy NAME --memory 256
def revenue(orders):
    '''Revenue by customer.'''
    total = {}
    for customer, amount in orders:
        total[customer] = total.get(customer, 0) + amount
    print(len(orders), "orders of", len(total), "customers")
    return total
---
revenue([("Ana", 120), ("Bo", 80), ("Ana", 61)])
---
revenue([("Cy", 5)])
---
revenue([3])"""


def cells(name: str) -> list[str]:
    """The notebook, with a function of its own."""
    return CELLS.replace("NAME", name).split("\n---\n")


NAP = """%%fn_deploy nap --idle-timeout 1
def nap(seconds):
    import time
    time.sleep(seconds)
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_card_goes_from_cold_to_warm_on_the_page(lab: Lab, dark: bool) -> None:
    theme = "dark" if dark else "light"
    page = lab.open(theme, *cells("night" if dark else "revenue"), dark=dark)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    lab.run(page, 0)
    lab.run(page, 1)
    card = page.locator(".nbfn-card")
    card.get_by_text("not called yet: the first call is cold").wait_for()

    lab.run(page, 2)
    card.locator(".nbfn-call-cold").get_by_text("first call").wait_for()
    assert card.locator(".nbfn-call-warm").count() == 0
    card.locator('.nbfn-instance[data-state="idle"]').wait_for()

    lab.run(page, 3)
    card.locator(".nbfn-call-warm").wait_for()
    pictured(card, f"card-{theme}")
    lab.run(page, 4)
    card.locator(".nbfn-call-warm").nth(1).wait_for()
    assert page.locator(".nbfn-card").count() == 1, "one card, however often it was redrawn"
    page.locator(".jp-OutputArea-output").get_by_text("TypeError").first.wait_for()

    assert problems == []


def test_states_of_instances_are_seen_while_a_call_runs(lab: Lab) -> None:
    page = lab.open("busy", "%load_ext nbfn", NAP, "nap(1.5)")
    for index in (0, 1):
        lab.run(page, index)
    lab.run(page, 2, wait=False)
    card = page.locator(".nbfn-card")
    card.locator('.nbfn-instance[data-state="busy"]').wait_for()
    card.locator(".nbfn-call[data-outcome=running]").wait_for()
    card.locator('.nbfn-instance[data-state="idle"]').wait_for()
    card.get_by_text("no instance is running: the next call is cold").wait_for()


def test_a_bar_comes_moves_and_goes(lab: Lab) -> None:
    page = lab.open("bar", "%load_ext nbfn", NAP, "print(len(list(nap.map([0.5] * 8, concurrency=2))))")
    for index in (0, 1):
        lab.run(page, index)
    lab.run(page, 2, wait=False)
    bar = page.locator(".nbfn-progress")
    bar.get_by_text("nap: calls, 4 of 8").wait_for()
    pictured(bar, "bar")
    page.locator(".jp-OutputArea-output").get_by_text("8", exact=True).wait_for()
    bar.wait_for(state="detached")


def test_a_saved_card_is_read_without_a_kernel(lab: Lab) -> None:
    page = lab.open("saved", *cells("saved")[:3])
    for index in range(3):
        lab.run(page, index)
    page.keyboard.press("Control+s")
    page.locator(".jp-Document .jp-mod-dirty, .lm-TabBar-tab.jp-mod-dirty").wait_for(state="detached")
    page.goto("about:blank")
    lab.end_kernels()
    page.goto(f"{lab.url}lab/tree/saved.ipynb?token={lab.token}&reset")
    page.locator(".nbfn-card .nbfn-call-cold").wait_for()
