"""The form that calls a function: as widgets in a shell, and clicked in a browser."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from nbfn.notebook.panel import Panel

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from tests.notebook.conftest import Lab

SUM = """%%fn_deploy total --memory 128
def total(orders):
    return sum(amount for _, amount in orders)
"""


def answer(panel: Panel) -> str:
    panel.button.click()
    deadline = time.monotonic() + 60
    while panel.button.disabled and time.monotonic() < deadline:
        time.sleep(0.01)
    return str(panel.answer.value)


def test_it_calls_with_what_is_written_and_says_what_is_wrong(shell: InteractiveShell) -> None:
    shell.run_cell("import nbfn\n@nbfn.function\ndef half(x: float) -> float:\n    return 1 / x / 2\n")
    panel = Panel(shell.user_ns["half"])
    assert panel.arguments.value == '{"x": 1.0}'
    assert ">0.5<" in answer(panel)
    panel.at_once.value = 3
    assert ">3 times 0.5<" in answer(panel)
    panel.at_once.value = 1
    panel.arguments.value = '{"x": 0}'
    assert "ZeroDivisionError: division by zero" in answer(panel)
    panel.arguments.value = "{"
    assert "not JSON" in answer(panel)
    panel.arguments.value = "[1]"
    assert "as an object" in answer(panel)


@pytest.mark.needs("chromium")
@pytest.mark.timeout(240)
@pytest.mark.xdist_group("lab")
def test_a_click_calls_and_the_card_shows_it(lab: Lab) -> None:
    page = lab.open("panel", "%load_ext nbfn", SUM, "%fn_panel total")
    for index in range(3):
        lab.run(page, index)
    form = page.locator(".nbfn-panel")
    form.locator("textarea").fill('{"orders": [["Ana", 120], ["Bo", 80]]}')
    form.get_by_role("button", name="Call").click()
    form.locator(".nbfn-answer").get_by_text("200").wait_for()
    page.locator(".nbfn-card .nbfn-call-cold").get_by_text("first call").wait_for()
