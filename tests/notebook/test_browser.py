"""The card on the page of a real JupyterLab, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.notebook.conftest import ARTIFACTS

if TYPE_CHECKING:
    from tests.notebook.conftest import Lab

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(240), pytest.mark.xdist_group("lab")]

DEPLOY = '''%%fn_deploy revenue --memory 256
def revenue(orders):
    """Revenue by customer."""
    total = {}
    for customer, amount in orders:
        total[customer] = total.get(customer, 0) + amount
    print(len(orders), "orders of", len(total), "customers")
    return total
'''
CELLS = (
    "%load_ext nbfn",
    DEPLOY,
    'revenue([("Ana", 120), ("Bo", 80), ("Ana", 61)])',
    'revenue([("Cy", 5)])',
    "revenue([3])",
)
NAP = """%%fn_deploy nap --idle-timeout 1
def nap(seconds):
    import time
    time.sleep(seconds)
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_card_goes_from_cold_to_warm_on_the_page(lab: Lab, dark: bool) -> None:
    page = lab.open("dark" if dark else "light", *CELLS, dark=dark)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    lab.run(page, 0)
    lab.run(page, 1)
    card = page.locator(".nbfn-live .nbfn-card")
    card.get_by_text("not called yet: the first call is cold").wait_for()

    lab.run(page, 2)
    card.locator(".nbfn-call-cold").get_by_text("first call").wait_for()
    assert card.locator(".nbfn-call-warm").count() == 0
    card.locator('.nbfn-instance[data-state="idle"]').wait_for()

    lab.run(page, 3)
    card.locator(".nbfn-call-warm").wait_for()
    lab.run(page, 4)
    card.locator(".nbfn-call-warm").nth(1).wait_for()
    assert page.locator(".nbfn-card").count() == 1, "one card, however often it was redrawn"
    page.locator(".jp-OutputArea-output").get_by_text("TypeError").first.wait_for()

    ARTIFACTS.mkdir(exist_ok=True)
    theme = "dark" if dark else "light"
    card.screenshot(path=ARTIFACTS / f"card-{theme}.png")
    page.screenshot(path=ARTIFACTS / f"notebook-{theme}.png")
    assert problems == []
    page.close()


def test_states_of_instances_are_seen_while_a_call_runs(lab: Lab) -> None:
    page = lab.open("busy", "%load_ext nbfn", NAP, "nap(1.5)")
    for index in (0, 1):
        lab.run(page, index)
    lab.run(page, 2, wait=False)
    card = page.locator(".nbfn-live .nbfn-card")
    card.locator('.nbfn-instance[data-state="busy"]').wait_for()
    card.locator(".nbfn-call[data-outcome=running]").wait_for()
    card.locator('.nbfn-instance[data-state="idle"]').wait_for()
    card.get_by_text("no instance is running: the next call is cold").wait_for()
    page.close()


def test_a_saved_card_is_read_without_a_kernel(lab: Lab) -> None:
    page = lab.open("saved", *CELLS[:3])
    for index in range(3):
        lab.run(page, index)
    page.keyboard.press("Control+s")
    page.locator(".jp-Document .jp-mod-dirty, .lm-TabBar-tab.jp-mod-dirty").wait_for(state="detached")
    page.close()
    fresh = lab.browser.new_page(viewport={"width": 1180, "height": 1000})
    fresh.goto(f"{lab.url}lab/tree/saved.ipynb?token={lab.token}&reset")
    fresh.locator(".nbfn-card .nbfn-call-cold").first.wait_for()
    fresh.close()
