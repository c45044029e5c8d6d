"""The dashboard on the page of a real JupyterLab, in a real browser: watched, clicked and under load."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.notebook.conftest import ARTIFACTS, pictured

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.notebook.conftest import Lab

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(240), pytest.mark.browser]

WORK = """%%fn_deploy work --memory 128 --idle-timeout 3 --quiet
import time
def work(seconds: float = 0.1, who: str = "Ana") -> str:
    print("working for", who, flush=True)
    time.sleep(seconds)
    return f"done for {who}"
"""
LONG_TASKS = """() => {
    window.longTasks = [];
    new PerformanceObserver(list => {
        for (const each of list.getEntries()) window.longTasks.push(Math.round(each.duration));
    }).observe({entryTypes: ["longtask"]});
}"""


def opened(lab: Lab, name: str, *cells: str, dark: bool = False, classic: bool = False) -> Page:
    """A notebook whose last cell shows a dashboard."""
    page = lab.open(name, "%load_ext nbfn", *cells, dark=dark, classic=classic)
    for index in range(len(cells) + 1):
        lab.run(page, index)
    page.locator(".nbfn-dash").first.wait_for()
    return page


def fill(page: Page, label: str, value: str) -> None:
    field = page.locator(".nbfn-controls").get_by_label(label, exact=True)
    field.fill(value)
    field.press("Tab")


def click(page: Page, label: str) -> None:
    page.locator(".nbfn-controls").get_by_role("button", name=label, exact=True).click()


def burst_of(page: Page, calls: int) -> None:
    """Move the slider, by its number."""
    readout = page.locator(".nbfn-controls .widget-readout")
    readout.fill(str(calls))
    readout.press("Enter")
    click(page, "Burst")


def number(page: Page, what: str, value: int) -> Locator:
    return page.locator(f".nbfn-number[data-what={what}] dd").get_by_text(f"{value}", exact=True)


def picture(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.locator(".jp-Notebook").screenshot(path=ARTIFACTS / f"dashboard-{name}.png")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_from_cold_to_warm_out_to_four_and_back(lab: Lab, dark: bool) -> None:
    theme = "dark" if dark else "light"
    page = opened(lab, f"dashboard-{theme}", WORK, "%fn_dashboard work", dark=dark)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.get_by_text("no instance is running: the next call is cold").wait_for()
    memory = page.locator(".nbfn-controls").get_by_label("memory MB", exact=True)
    assert memory.evaluate("field => field.scrollWidth <= field.clientWidth"), "its number is not cut off"
    tops = {
        page.locator(".nbfn-controls").get_by_role("button", name=name, exact=True).bounding_box()["y"]  # type: ignore[index]
        for name in ("Redeploy", "Stop", "Undeploy")
    }
    assert len(tops) == 1, "none of them is left to a line of its own"

    click(page, "Call")
    page.locator(".nbfn-answer").get_by_text("'done for Ana'").wait_for()
    number(page, "cold", 1).wait_for()
    page.locator(".nbfn-dash .nbfn-call-cold").get_by_text("first call").wait_for()
    fill(page, "who", "Bo")
    click(page, "Call")
    page.locator(".nbfn-answer").get_by_text("'done for Bo'").wait_for()
    number(page, "warm", 1).wait_for()

    fill(page, "seconds", "1.2")
    burst_of(page, 4)
    page.locator('.nbfn-dash .nbfn-instance[data-state="busy"]').nth(3).wait_for()
    picture(page, f"burst-{theme}")
    page.locator(".nbfn-answer").get_by_text("4 times 'done for Bo'").wait_for()
    page.locator('.nbfn-dash .nbfn-instance[data-state="idle"]').nth(3).wait_for()
    page.locator(".nbfn-reasons").get_by_text("others were busy").wait_for()
    picture(page, theme)
    pictured(page.locator(".nbfn-dash"), f"dashboard-alone-{theme}")
    page.get_by_text("no instance is running: the next call is cold").wait_for()
    assert page.locator(".nbfn-dash .nbfn-time svg").get_attribute("role") == "img"
    assert page.locator(".nbfn-dash").count() == 1, "one picture, however often it was redrawn"
    assert problems == []


def test_a_line_is_seen_while_its_call_runs_and_cancel_ends_it(lab: Lab) -> None:
    page = opened(lab, "dashboard-cancel", WORK, "%fn_dashboard work")
    fill(page, "seconds", "25")
    click(page, "Call")
    page.locator(".nbfn-dash .nbfn-log").get_by_text("working for Ana").wait_for()
    number(page, "running", 1).wait_for()
    picture(page, "running")
    click(page, "Cancel")
    page.locator(".nbfn-dash .nbfn-call[data-outcome=failed]").wait_for()
    number(page, "running", 0).wait_for()
    number(page, "failed", 1).wait_for()

    fill(page, "seconds", "0")
    click(page, "Call")
    number(page, "instances", 1).wait_for()
    click(page, "Stop")
    number(page, "instances", 0).wait_for()
    fill(page, "log", "nobody")
    page.get_by_text("no output with “nobody”").wait_for()
    fill(page, "memory MB", "192")
    click(page, "Set limits")
    page.locator(".nbfn-dash .nbfn-facts").get_by_text("192 MB").wait_for()
    click(page, "Undeploy")
    click(page, "Really undeploy?")
    page.locator(".nbfn-dash .nbfn-gone").wait_for()


def test_redeploy_takes_the_function_as_the_notebook_has_it_now(lab: Lab) -> None:
    greeting = "WORD = 'hello'"
    greet = """%%fn_deploy greet --memory 128 --quiet
def greet(who: str = "Ana") -> str:
    return f"{WORD} {who}"
"""
    changed = "WORD = 'good evening'"
    page = opened(lab, "dashboard-redeploy", greeting, greet, "%fn_dashboard greet")
    click(page, "Call")
    page.locator(".nbfn-answer").get_by_text("'hello Ana'").wait_for()
    click(page, "Redeploy")
    page.get_by_text("nothing has changed since it was deployed").wait_for()

    lab.add(page, changed)
    click(page, "Call")
    number(page, "warm", 1).wait_for()
    page.locator(".nbfn-answer").get_by_text("'hello Ana'").wait_for()
    click(page, "Redeploy")
    page.get_by_text("deployed as it is now").wait_for()
    click(page, "Call")
    page.locator(".nbfn-answer").get_by_text("'good evening Ana'").wait_for()
    number(page, "cold", 2).wait_for()
    picture(page, "redeployed")


def test_notebook_7_shows_and_does_the_same(lab: Lab) -> None:
    page = opened(lab, "dashboard-classic", WORK, "%fn_dashboard work", classic=True)
    fill(page, "seconds", "0.8")
    burst_of(page, 3)
    page.locator('.nbfn-dash .nbfn-instance[data-state="busy"]').nth(2).wait_for()
    page.locator(".nbfn-answer").get_by_text("3 times 'done for Ana'").wait_for()
    number(page, "running", 0).wait_for()
    picture(page, "notebook-7")
    fill(page, "seconds", "25")
    click(page, "Call")
    number(page, "running", 1).wait_for()
    click(page, "Cancel")
    number(page, "failed", 1).wait_for()


def test_five_hundred_calls_leave_the_page_responsive(lab: Lab) -> None:
    page = opened(lab, "dashboard-load", WORK, "%fn_dashboard work", "%fn_dashboard")
    fill_first = page.locator(".nbfn-controls").first
    fill_first.get_by_label("seconds", exact=True).fill("0.005")
    fill_first.get_by_label("seconds", exact=True).press("Tab")
    readout = fill_first.locator(".widget-readout")
    readout.fill("500")
    readout.press("Enter")
    page.evaluate(LONG_TASKS)
    fill_first.get_by_role("button", name="Burst", exact=True).click()
    page.locator(".nbfn-answer").get_by_text("500 times 'done for Ana'").wait_for()
    page.locator(".nbfn-dash").first.get_by_text("as of").wait_for()
    tasks = page.evaluate("() => window.longTasks")
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / "dashboard-long-tasks-ms.json").write_text(json.dumps(tasks))
    picture(page, "load")
    assert max(tasks, default=0) < 1000, f"the page stood still: {tasks}"


def test_a_saved_dashboard_is_read_without_a_kernel(lab: Lab) -> None:
    page = opened(lab, "dashboard-saved", WORK, "%fn_dashboard work", "work(0.01)")
    lab.run(page, 3)
    number(page, "cold", 1).wait_for()
    page.keyboard.press("Control+s")
    page.locator(".jp-Document .jp-mod-dirty, .lm-TabBar-tab.jp-mod-dirty").wait_for(state="detached")
    page.goto("about:blank")
    lab.end_kernels()
    page.goto(f"{lab.url}lab/tree/dashboard-saved.ipynb?token={lab.token}&reset")
    page.locator(".nbfn-dash .nbfn-call-cold").wait_for()
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    dead = page.locator(".jp-OutputArea-child", has_text="Error displaying widget")
    dead.wait_for(state="hidden")
    picture(page, "saved")
