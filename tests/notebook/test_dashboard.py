"""``%fn_dashboard``, ``%fn_stats`` and ``%fn_invoke`` in a real shell, and in a kernel without a page."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from nbconvert import HTMLExporter

import nbfn
from nbfn import errors, local
from nbfn.notebook.dashboard.controls import Controls
from nbfn.notebook.dashboard.survey import Survey
from tests.notebook.conftest import stop_executor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from IPython.core.interactiveshell import InteractiveShell
    from nbformat import NotebookNode

    from nbfn.notebook.dashboard.dashboard import Dashboard

GREET = """%%fn_deploy greet --memory 128 --quiet
def greet(name: str, times: int = 1) -> str:
    print("called for", name)
    if not name:
        raise ValueError("nobody")
    return name * times
"""
HELD = """
import json, threading
from nbfn import session

def held():
    subscriptions = [each for each in session.current()._subscriptions if each.open]
    names = {each.name for each in threading.enumerate()} & {"nbfn-dashboards", "nbfn-survey"}
    return json.dumps([len(subscriptions), sorted(names)])
"""


def run(shell: InteractiveShell, cell: str) -> object:
    result = shell.run_cell(cell, store_history=True)
    result.raise_error()
    return result.result


def pictures(cell: NotebookNode) -> list[NotebookNode]:
    """What it displayed that is no widget."""
    return [each.data for each in cell.outputs if "text/html" in each.get("data", {})]


def test_in_a_terminal_it_is_text(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, GREET)
    run(shell, "greet('Ana'); greet('Bo')")
    capsys.readouterr()
    for line in ("%fn_dashboard greet", "%fn_dashboard --app notebook", "%fn_dashboard"):
        run(shell, line)
        said = capsys.readouterr().out
        assert "1 cold, 1 warm, 0 failed" in said
        assert "called for Bo" in said
    assert "notebook/greet: 1 instance, 2 calls (1 cold)" in said
    assert [each for each in nbfn.session.current()._subscriptions if each.open] == []


def test_what_is_not_there_is_said(shell: InteractiveShell) -> None:
    for line in ("%fn_dashboard nobody", "%fn_stats nobody", "%fn_invoke nobody"):
        assert isinstance(shell.run_cell(line).error_in_exec, errors.NotFound)
    with pytest.raises(errors.BadInput, match="no function of nbfn"):
        nbfn.dashboard(len)  # type: ignore[arg-type]


def test_the_executor_that_a_dashboard_followed_is_not_started_again(shell: InteractiveShell) -> None:
    run(shell, GREET)
    survey = Survey(shell.user_ns["greet"].session)
    dashboard = nbfn.dashboard("greet")
    survey.list(dashboard.feed)
    before = dashboard.feed.activity
    assert [each.name for each in before.functions.values()] == ["greet"]
    stop_executor(nbfn.session.current().settings.state)
    survey.list(dashboard.feed)
    survey.measure(dashboard.feed)
    assert local.find(nbfn.session.current().settings) is None
    survey.close()
    dashboard.close()


def test_invoke_calls_what_is_here_and_what_is_not(shell: InteractiveShell) -> None:
    run(shell, GREET)
    assert run(shell, "%fn_invoke greet name=Ana times=2") == "AnaAna"
    assert run(shell, "%fn_invoke greet Ana") == "Ana"
    del shell.user_ns["greet"]
    shell.user_ns.pop("_", None)
    for key in [key for key, value in shell.user_ns.items() if isinstance(value, nbfn.Function)]:
        del shell.user_ns[key]
    assert run(shell, "%fn_invoke greet name=Bo times=3") == "BoBoBo"
    assert run(shell, '%fn_invoke greet "Cy"') == "Cy"
    assert isinstance(shell.run_cell("%fn_invoke greet name=").error_in_exec, errors.CallError)
    assert isinstance(shell.run_cell("%fn_invoke greet Ana times=2").error_in_exec, errors.BadInput)


def test_stats_are_exact_and_a_table(shell: InteractiveShell) -> None:
    run(shell, GREET)
    run(shell, "greet('Ana'); greet('Bo')")
    shell.run_cell("greet('')")
    (found,) = nbfn.stats(shell.user_ns["greet"])
    assert (found.calls, found.cold, found.warm, found.failed) == (3, 1, 2, 1)
    assert found.cold_ms is not None
    assert found.warm_ms is not None
    assert found.instances == 1
    assert nbfn.stats("greet")[0].name == nbfn.stats(app="notebook")[0].name == nbfn.stats()[:1][0].name
    assert re.search(r"^notebook  greet +1 ", str(nbfn.stats()), re.M)
    ElementTree.fromstring(nbfn.stats()._repr_html_())


@pytest.mark.filterwarnings("ignore::IPython.core.completer.ProvisionalCompleterWarning")
def test_flags_and_functions_are_completed_and_help_is_real(shell: InteractiveShell) -> None:
    run(shell, "import nbfn\n@nbfn.function\ndef greet(): ...")
    for magic in ("fn_dashboard", "fn_stats", "fn_invoke"):
        line = f"%{magic} gr"
        assert "greet" in {each.text for each in shell.Completer.completions(line, len(line))}
        line = f"%{magic} --a"
        assert "--app" in {each.text for each in shell.Completer.completions(line, len(line))}
        assert "--app" in shell.find_line_magic(magic).__doc__


@pytest.fixture
def controls(shell: InteractiveShell) -> Iterator[Controls]:
    """The controls of a function that is deployed."""
    run(shell, GREET)
    dashboard: Dashboard = nbfn.dashboard("greet")
    survey = Survey(dashboard.session)
    survey.list(dashboard.feed)
    made = Controls(dashboard.session, dashboard.feed, lambda _: shell.user_ns["greet"], lambda _: None)
    yield made
    made.close()
    survey.close()
    dashboard.close()


def click(controls: Controls, name: str) -> str:
    button = getattr(controls, name)
    button.click()
    deadline = time.monotonic() + 60
    while button.disabled and time.monotonic() < deadline:
        time.sleep(0.01)
    return re.sub(r"<[^>]*>", "", str(controls.said.value))


def test_controls_call_and_change_and_say_what_is_wrong(controls: Controls, shell: InteractiveShell) -> None:
    controls.form["name"].value = "Ana"
    controls.form["times"].value = 2
    assert click(controls, "call") == "&#x27;AnaAna&#x27;"
    controls.calls.value = 40
    assert click(controls, "burst") == "40 times &#x27;AnaAna&#x27;"
    controls.form["name"].value = ""
    assert click(controls, "call") == "ValueError: nobody"
    assert "nothing has changed" in click(controls, "redeploy")
    controls.memory.value, controls.timeout.value = 192, 20
    assert "192 MB, timeout 20 s" in click(controls, "limit")
    assert (nbfn.functions("notebook")[0].memory_mb, shell.user_ns["greet"].spec.limits.timeout_s) == (
        192,
        20,
    )
    shown = controls._feed
    shown.wait_for_rest(time.monotonic() + 10)
    (known,) = shown.activity.functions.values()
    assert (known.memory_mb, known.timeout_s) == (192, 20), "told by an event: every card shows it"
    click(controls, "call")
    assert "stopped" in click(controls, "stop")
    shell.user_ns["greet"]("Ana")
    assert shell.user_ns["greet"].last.reason == "stopped"
    controls.timeout.value = 4000
    assert "1 to 300" in click(controls, "limit")
    controls.undeploy.click()
    assert nbfn.functions("notebook"), "the first click only asks"
    assert "removed" in click(controls, "undeploy")
    assert not nbfn.functions("notebook")


def test_a_headless_run_keeps_the_last_picture(run_cells: Callable[..., NotebookNode]) -> None:
    saved = run_cells(
        "%load_ext nbfn", GREET, "%fn_dashboard greet", "greet('Ana'); greet('Bo')", "%fn_dashboard"
    )
    (function,), (executor,) = pictures(saved.cells[2]), pictures(saved.cells[4])
    assert set(function) == {"text/html", "text/plain"}, "a widget would be empty once its kernel is gone"
    root = ElementTree.fromstring(function["text/html"])
    numbers = {
        each.get("data-what"): each.findtext("dd") for each in root.iter("div") if each.get("data-what")
    }
    assert numbers == {
        "instances": "1", "running": "0", "waiting": "0", "cold": "1", "warm": "1", "failed": "0",
    }  # fmt: skip
    assert "called for Bo" in function["text/plain"]
    assert "executor" in executor["text/plain"]
    page, _ = HTMLExporter().from_notebook_node(saved)
    assert page.count('class="nbfn-card nbfn-dash"') == 2


def test_dashboards_leave_nothing_behind(run_cells: Callable[..., NotebookNode]) -> None:
    """Showing one again and again ends the one before; a shell without nbfn has none."""
    saved = run_cells(
        "%load_ext nbfn",
        HELD,
        GREET,
        "from nbfn.notebook.dashboard import dashboards\nmine = dashboards.of(get_ipython())",
        "import nbfn\nfor _ in range(15):\n    display(nbfn.dashboard(greet))",
        "print(len(mine), held())",
        "run = get_ipython().run_cell",
        *["%fn_dashboard greet"] * 3,
        "mine.close()\nprint(len(mine), held())",
        "%unload_ext nbfn",
        "print(len(mine), held())",
    )
    printed = [
        "".join(out.text for out in cell.outputs if out.output_type == "stream") for cell in saved.cells
    ]
    many, none, unloaded = (each.split(" ", 1) for each in printed if each[:1].isdigit())
    assert int(many[0]) <= 12
    assert json.loads(many[1]) == [int(many[0]), ["nbfn-dashboards", "nbfn-survey"]]
    assert (none[0], json.loads(none[1])) == ("0", [0, []])
    assert (unloaded[0], json.loads(unloaded[1])) == ("0", [0, []])
