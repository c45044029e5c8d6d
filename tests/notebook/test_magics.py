"""``%%fn_deploy`` and its companions in a real shell: what is refused, and what is left behind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nbfn
from nbfn import errors, local, session
from nbfn.function import Function
from nbfn.notebook import magics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

GREET = "def greet(name):\n    return f'hello {name}'\n"

REFUSED_UNRUN = {
    "syntax error": ("", "ran = True\ndef f(:\n    pass", errors.CellError, "3"),
    "syntax that only compiling sees": ("", "ran = True\ndef f(): pass\nreturn 1", errors.CellError, "4"),
    "no function": ("", "ran = True", errors.CellError, "no function"),
    "only a comment": ("", "# ran", errors.CellError, "no function"),
    "two functions": ("", "ran = True\ndef f(): pass\ndef g(): pass", errors.CellError, "f, g"),
    "neither of two": ("h", "ran = True\ndef f(): pass\ndef g(): pass", errors.CellError, "'h'"),
    "bad name": ("'a b'", "ran = True\n" + GREET, errors.NameRefused, "'a b'"),
    "bad app": ("--app a/b", "ran = True\n" + GREET, errors.NameRefused, "'a/b'"),
    "no memory": ("--memory 0", "ran = True\n" + GREET, errors.LimitError, "0 MB"),
    "too much memory": ("--memory 1000000000", "ran = True\n" + GREET, errors.LimitError, "1 to 8192"),
    "negative timeout": ("--timeout -1", "ran = True\n" + GREET, errors.LimitError, "1 to 300"),
    "long idle timeout": ("--idle-timeout 4000", "ran = True\n" + GREET, errors.LimitError, "1 to 3600"),
}
REFUSED = {
    "undefined name": ("", "def f():\n    return nowhere + 1", errors.CaptureError, "nowhere"),
    "unpicklable global": (
        "",
        "import threading\nlock = threading.Lock()\ndef f():\n    return lock",
        errors.CaptureError,
        "lock",
    ),
    "missing package": (
        "--requires nbfn-no-such-package",
        GREET,
        errors.RequirementError,
        "nbfn-no-such-package",
    ),
}


def refused(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], line: str, cell: str
) -> tuple[BaseException | None, str]:
    """What running the cell raised, and what a person saw of it."""
    capsys.readouterr()
    result = shell.run_cell(f"%%fn_deploy {line}\n{cell}", store_history=True)
    shown = capsys.readouterr()
    return result.error_in_exec, shown.out + shown.err


@pytest.mark.parametrize(("line", "cell", "kind", "said"), REFUSED_UNRUN.values(), ids=REFUSED_UNRUN.keys())
def test_what_cannot_be_is_refused_before_anything_runs(
    shell: InteractiveShell,
    capsys: pytest.CaptureFixture[str],
    line: str,
    cell: str,
    kind: type[errors.NbfnError],
    said: str,
) -> None:
    error, shown = refused(shell, capsys, line, cell)
    assert type(error) is kind
    assert "ran" not in shell.user_ns
    assert said in shown
    assert_short(shown, error)
    assert local.find(session.current().settings) is None, "nothing was deployed: no executor was even needed"


@pytest.mark.parametrize(("line", "cell", "kind", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_travel_is_refused_and_nothing_is_deployed(
    shell: InteractiveShell,
    capsys: pytest.CaptureFixture[str],
    line: str,
    cell: str,
    kind: type[errors.NbfnError],
    said: str,
) -> None:
    error, shown = refused(shell, capsys, line, cell)
    assert isinstance(error, kind)
    assert said in shown
    assert_short(shown, error)
    assert not any(isinstance(value, Function) for value in shell.user_ns.values())
    assert local.find(session.current().settings) is None


def assert_short(shown: str, error: errors.NbfnError) -> None:
    """Class, message and hint once; no frame of nbfn or IPython."""
    assert shown.count(type(error).__name__) == 1
    assert error.message in shown
    assert error.hint in shown
    assert "Traceback" not in shown
    assert "run_cell_magic" not in shown
    assert ".py" not in shown.replace("func.py", "")
    assert len(shown.splitlines()) < 15


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--memory lots", "--memory"),
        ("--config novalue", "'novalue' is not K=V"),
        ("--nonsense", "--nonsense"),
        ("a b", "b"),
        ("'open", "open"),
    ],
)
def test_a_line_that_does_not_parse_is_a_usage_error(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    error, shown = refused(shell, capsys, line, "ran = True\n" + GREET)
    assert type(error).__name__ == "UsageError"
    assert said in shown
    assert "ran" not in shell.user_ns


def test_a_syntax_error_points_at_the_line_that_the_person_sees(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    _, shown = refused(shell, capsys, "", "a = 1\ndef f(:\n    pass")
    assert "In[1], line 3" in shown
    assert "-> 3 def f(:" in shown


@pytest.mark.parametrize("before", ["", "\n\n"], ids=["first line", "after blank lines"])
def test_an_error_of_the_body_shows_its_own_lines_and_nothing_else(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], before: str
) -> None:
    cell = f"{before}%%fn_deploy\ndef f():\n    return 1\n\n1 / 0"
    result = shell.run_cell(cell, store_history=True)
    shown = capsys.readouterr().out
    line = cell.split("\n").index("1 / 0") + 1
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    assert shown.count("ZeroDivisionError: ") == 1
    assert f"Cell In[1], line {line}" in shown
    assert f"-> {line} 1 / 0" in shown
    assert "run_cell_magic" not in shown
    assert "nbfn" not in shown
    assert callable(shell.user_ns["f"]), "what ran before the error has run, as in any cell"


def test_help_is_real(shell: InteractiveShell) -> None:
    text = shell.find_line_magic("fn_list").__doc__ + shell.find_cell_magic("fn_deploy").__doc__
    for flag in (
        "--app",
        "--memory",
        "--timeout",
        "--idle-timeout",
        "--requires",
        "--config",
        "--base",
        "--quiet",
    ):
        assert flag in text


def test_every_magic_has_a_twin_in_python_and_help(shell: InteractiveShell) -> None:
    told = {words[0].strip("%"): text for words, text in _twins()}
    ours = {
        name: magic
        for kind in ("line", "cell")
        for name, magic in shell.magics_manager.magics[kind].items()
        if name.startswith("fn_")
    }
    assert set(told) == set(ours)
    page = (Path(__file__).parents[2] / "docs/magics.md").read_text("utf-8")
    assert set(re.findall(r"^\| `%+(fn_\w+)", page, re.MULTILINE)) == set(ours)
    for name, text in told.items():
        found = re.findall(r"(nbfn|function)\.(\w+)\(", text)
        assert found, f"{name} names no twin"
        for owner, twin in found:
            assert callable(getattr(nbfn if owner == "nbfn" else Function, twin)), f"{name}: {owner}.{twin}"
        help_text = ours[name].__doc__
        assert help_text, name
        assert help_text.startswith("::\n\n  %"), "its line, then what it does, then each flag"
        assert len(re.sub(r"(?s)^::.*?\n\n(?! )", "", help_text).strip()) > 20, name


def _twins() -> Iterator[tuple[list[str], str]]:
    rows = re.findall(r"^``(%[^`]+)`` +(.+)$", magics.__doc__ or "", re.MULTILINE)
    return ((words.split(), text) for words, text in rows)


def test_internals_are_hidden_unless_asked_for(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    _, shown = refused(shell, capsys, "", "def f():\n    return nowhere\n")
    assert "nbfn/capture" not in shown
    shell.run_line_magic("xmode", "Verbose")
    try:
        error, shown = refused(shell, capsys, "", "def f():\n    return nowhere\n")
        assert "nbfn/capture" in shown
        assert isinstance(error, errors.NbfnError)
        assert error.message in shown
    finally:
        shell.run_line_magic("xmode", "Context")
    _, shown = refused(shell, capsys, "", "def f():\n    return nowhere\n")
    assert "nbfn/capture" not in shown


@pytest.mark.filterwarnings("ignore::IPython.core.completer.ProvisionalCompleterWarning")
def test_flags_are_completed(shell: InteractiveShell) -> None:
    line = "%%fn_deploy greet --me"
    found = {each.text for each in shell.Completer.completions(f"{line}\ndef greet(): ...", len(line))}
    assert "--memory" in found
    assert "--timeout" not in found


def test_loading_twice_and_unloading_leave_the_shell_as_it_was(shell: InteractiveShell) -> None:
    from nbfn import notebook

    hooks = len(shell.events.callbacks["pre_run_cell"])
    notebook.load(shell)
    assert len(shell.events.callbacks["pre_run_cell"]) == hooks
    notebook.unload(shell)
    notebook.unload(shell)
    assert len(shell.events.callbacks["pre_run_cell"]) == hooks - 3, "bars, recorder, dashboards"
    assert shell.find_cell_magic("fn_deploy") is None
    assert shell.find_line_magic("fn_list") is None
    assert shell.custom_exceptions == ()
    notebook.load(shell)
    assert shell.find_cell_magic("fn_deploy") is not None


def test_another_extension_keeps_its_error_handler(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    from nbfn import notebook

    notebook.unload(shell)
    shell.set_custom_exc((KeyError,), lambda shell, kind, error, trace, tb_offset=None: print("theirs"))
    notebook.load(shell)
    shell.run_cell("{}['x']")
    assert capsys.readouterr().out == "theirs\n"
    shell.run_cell("%%fn_deploy\n1")
    assert "CellError" in capsys.readouterr().out
    notebook.unload(shell)
    shell.run_cell("{}['x']")
    assert capsys.readouterr().out == "theirs\n"


def test_cells_are_recorded_with_the_line_numbers_of_their_code(shell: InteractiveShell) -> None:
    shell.run_cell("%time x = 1\n\ndef helper():\n    return x\n", store_history=True)
    recorded = session.current().cells.made("helper")
    assert recorded is not None
    assert recorded.number == 1
    assert recorded.filename == shell.user_ns["helper"].__code__.co_filename
    assert (
        recorded.source.splitlines()[shell.user_ns["helper"].__code__.co_firstlineno - 1] == "def helper():"
    )
