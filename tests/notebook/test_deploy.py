"""Deploying and calling from a shell, on a real executor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.function import Function

if TYPE_CHECKING:
    import pytest
    from IPython.core.interactiveshell import InteractiveShell

    Out = pytest.CaptureFixture[str]

GREET = """%%fn_deploy --memory 128
def greet(name):
    print("for", name)
    return f"{greeting}, {name}!"
"""


def run(shell: InteractiveShell, cell: str) -> object:
    result = shell.run_cell(cell, store_history=True)
    result.raise_error()
    return result.result


def test_a_cell_becomes_a_function_that_is_called_like_python(shell: InteractiveShell, capsys: Out) -> None:
    run(shell, "greeting = 'Hello'")
    run(shell, "def plain():\n    return greeting")
    run(shell, "%fn_show plain")
    assert "constant  greeting  cell 1" in capsys.readouterr().out
    run(shell, GREET)
    assert "greet · app notebook · 128 MB" in capsys.readouterr().out
    greet = shell.user_ns["greet"]
    assert isinstance(greet, Function)
    assert run(shell, "greet('Ana')") == "Hello, Ana!"
    assert greet.last.start == "cold"
    assert run(shell, "greet('Bo')") == "Hello, Bo!"
    assert greet.last.start == "warm"
    assert "for Ana" in capsys.readouterr().out

    run(shell, "%fn_list")
    assert "greet" in capsys.readouterr().out
    run(shell, "%fn_logs greet")
    assert "for Bo" in capsys.readouterr().out
    run(shell, "%fn_show greet")
    assert "def greet(name):" in capsys.readouterr().out
    run(shell, "%fn_diff greet")
    assert "what is deployed is what is here" in capsys.readouterr().out
    run(shell, "greeting = 'Hi'")
    run(shell, "%fn_diff greet")
    assert "+greeting = 'Hi'" in capsys.readouterr().out
    run(shell, "%fn_undeploy greet")
    assert "removed" in capsys.readouterr().out
    run(shell, "%fn_list")
    assert "no functions are deployed" in capsys.readouterr().out


def test_going_back_to_what_was_deployed_before(shell: InteractiveShell, capsys: Out) -> None:
    for number in (1, 2):
        run(shell, f"%%fn_deploy f --quiet\ndef f():\n    return {number}\n")
    capsys.readouterr()
    run(shell, "%fn_rollback f")
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == ["revision", "3", "2", "1"]
    assert rows[1].endswith("back to 1: image")
    assert run(shell, "f()") == 1
    run(shell, "%fn_rollback f 2")
    assert run(shell, "f()") == 2
    run(shell, "del f")
    run(shell, "%fn_rollback f 1")
    assert "5 *" in capsys.readouterr().out
    refused = shell.run_cell("%fn_rollback f 99").error_in_exec
    assert "no revision 99" in str(refused)


def test_a_name_that_differs_is_bound_too(shell: InteractiveShell, capsys: Out) -> None:
    line = "%%fn_deploy hello --quiet --config A='b c' --app other"
    run(shell, f"{line}\ndef greet():\n    import os\n    return os.environ['A']\n")
    assert capsys.readouterr().out == ""
    assert shell.user_ns["hello"] is shell.user_ns["greet"]
    assert shell.user_ns["hello"].spec.name == "hello"
    assert shell.user_ns["hello"].spec.app == "other"
    assert run(shell, "hello()") == "b c"


def test_the_value_of_a_last_expression_is_displayed(shell: InteractiveShell, capsys: Out) -> None:
    run(shell, "%%fn_deploy --quiet\ndef twice(x):\n    return 2 * x\n\ntwice(21)")
    assert "42" in capsys.readouterr().out


def test_an_exception_of_the_function_shows_the_lines_of_the_cell(
    shell: InteractiveShell, capsys: Out
) -> None:
    run(shell, "%%fn_deploy --quiet\n\ndef fails(x):\n    y = x + 1\n    raise KeyError(f'no {y}')\n")
    capsys.readouterr()
    result = shell.run_cell("a = 1\nfails(a)", store_history=True)
    shown = capsys.readouterr().out
    assert isinstance(result.error_in_exec, KeyError)
    assert "Cell In[2], line 2" in shown
    assert "-> 2 fails(a)" in shown
    assert "Cell In[1], line 5" in shown
    assert "-> 5     raise KeyError(f'no {y}')" in shown
    assert "nbfn" not in shown
    assert "httpx" not in shown


def test_an_error_of_the_machinery_points_at_the_line_that_called(
    shell: InteractiveShell, capsys: Out
) -> None:
    run(shell, "%%fn_deploy --quiet --timeout 1\ndef slow():\n    import time\n    time.sleep(30)\n")
    capsys.readouterr()
    shell.run_cell("# first\nslow()\n", store_history=True)
    shown = capsys.readouterr().out
    assert "CallTimeout" in shown
    assert "Cell In[2], line 2" in shown
    assert "-> 2 slow()" in shown
    assert "nbfn/" not in shown


def test_a_failed_deployment_leaves_what_the_cell_defined_and_what_was_deployed(
    shell: InteractiveShell, capsys: Out
) -> None:
    run(shell, "%%fn_deploy hello --quiet\ndef f():\n    return 1\n")
    deployed = shell.user_ns["hello"]
    shell.run_cell("%%fn_deploy hello --quiet\ndef f():\n    return nowhere\n", store_history=True)
    assert not isinstance(shell.user_ns["f"], Function)
    assert shell.user_ns["hello"] is deployed
    assert deployed() == 1
