"""What a function raises arrives as itself, at the lines of the cell."""

from __future__ import annotations

import linecache
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbfn.errors import RemoteError
from nbfn.invoke import CallContext
from tests.invoke.notebook import CELL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.invoke.notebook import Notebook

    Deploy = Callable[..., Notebook]

FAILING = """
class NoSuchCity(LookupError):
    def __init__(self, city, *, near):
        super().__init__(f"no city {city!r}")
        self.near = near

def find(city):
    raise NoSuchCity(city, near="bonn")

def greet(city):
    try:
        find(city)
    except NoSuchCity as error:
        raise ValueError("no greeting") from error
"""


def frames(error: BaseException) -> list[tuple[str, int | None, str, str | None]]:
    return [(f.filename, f.lineno, f.name, f.line) for f in traceback.extract_tb(error.__traceback__)]


def test_a_builtin_with_its_cause_at_the_lines_of_the_cell(deploy: Deploy) -> None:
    error = deploy(FAILING).call("ulm").error
    assert type(error) is ValueError
    assert error.args == ("no greeting",)
    assert frames(error) == [(CELL, 14, "greet", 'raise ValueError("no greeting") from error')]
    cause = error.__cause__
    assert str(cause) == "no city 'ulm'"
    assert [(frame[1], frame[3]) for frame in frames(cause)] == [
        (12, "find(city)"),
        (8, 'raise NoSuchCity(city, near="bonn")'),
    ]
    (note,) = error.__notes__
    assert note == "raised in function 'greet' (app 'notebook'), instance 3f2a"


def test_a_class_of_the_notebook_even_if_its_init_asks_for_more(deploy: Deploy) -> None:
    notebook = deploy(FAILING)
    cause = notebook.call("ulm").error.__cause__
    assert type(cause) is notebook.context.namespace["NoSuchCity"]
    assert str(cause) == "no city 'ulm'"


def test_attributes_survive_where_the_class_pickles(deploy: Deploy) -> None:
    notebook = deploy(
        """
        class Odd(Exception):
            pass
        def greet():
            error = Odd("message", 5)
            error.detail = {"a": {1}}
            error.add_note("try another")
            raise error
        """
    )
    error = notebook.call().error
    assert type(error) is notebook.context.namespace["Odd"]
    assert (error.args, error.detail) == (("message", 5), {"a": {1}})
    assert error.__notes__[0] == "try another"


@pytest.mark.parametrize(
    ("statement", "cls", "text"),
    [
        ("{}['a']", KeyError, "'a'"),
        ("open('/no/such')", FileNotFoundError, "[Errno 2] No such file or directory: '/no/such'"),
        ("b'\\xff'.decode()", UnicodeDecodeError, "'utf-8' codec can't decode"),
        (
            "raise ExceptionGroup('two', [ValueError(1), KeyError(2)])",
            ExceptionGroup,
            "two (2 sub-exceptions)",
        ),
        ("raise SystemExit(3)", RemoteError, "SystemExit: 3"),
        ("raise KeyboardInterrupt", RemoteError, "KeyboardInterrupt"),
        ("raise type('Hidden', (ValueError,), {})('no')", RemoteError, "Hidden: no"),
        ("greet()", RecursionError, "maximum recursion depth exceeded"),
        ("import json; json.loads('{')", ValueError, "Expecting property name"),
    ],
)
def test_classes(deploy: Deploy, statement: str, cls: type, text: str) -> None:
    error = deploy(f"def greet():\n    {statement}").call().error
    assert isinstance(error, cls)
    assert str(error).startswith(text)
    assert frames(error)[0][:3] == (CELL, 2, "greet")


def test_without_a_key_builtins_are_rebuilt_by_name(deploy: Deploy) -> None:
    notebook = deploy("def greet(x): return {}[x]", env={"NBFN_KEY": ""})
    error = notebook.call("a").error
    assert type(error) is KeyError
    assert error.args == ("a",)


def test_what_was_being_handled_is_the_context(deploy: Deploy) -> None:
    error = (
        deploy("def greet():\n    try:\n        1 / 0\n    except ArithmeticError:\n        {}[2]")
        .call()
        .error
    )
    assert isinstance(error.__context__, ZeroDivisionError)
    assert error.__cause__ is None


def test_frames_of_libraries_keep_their_file_or_say_that_it_is_elsewhere(deploy: Deploy, state: Path) -> None:
    (state / "lib").mkdir()
    (state / "lib" / "far.py").write_text("\n\ndef fall():\n    raise ValueError('far')\n")
    notebook = deploy("def greet():\n    import far\n    far.fall()", packages=[str(state / "lib")])
    assert frames(notebook.call().error)[1] == (f"{state}/lib/far.py", 4, "fall", "raise ValueError('far')")
    (state / "lib" / "far.py").unlink()
    linecache.checkcache()
    error = notebook.call().error
    assert frames(error)[1][:3] == (f"<remote {state}/lib/far.py>", 4, "fall")


def test_lines_that_no_cell_has_are_shown_from_func_py(deploy: Deploy) -> None:
    notebook = deploy("def greet(): 1 / 0")
    full = notebook.context
    notebook.context = CallContext(full.namespace, full.names, full.source)
    (frame,) = frames(notebook.call().error)
    assert frame == ("<greet func.py>", 3, "greet", "def greet(): 1 / 0")


def test_an_import_that_failed_says_so(deploy: Deploy) -> None:
    notebook = deploy("def greet(): pass")
    folder = notebook.instance.folder
    assert notebook.instance.stop() == 0
    (folder / "function" / "func.py").write_text("import no_such_module\n")
    # The same folder once more, now broken.
    from tests.runtime.instance import Instance, launch, wait_for_link

    (folder / "io" / "lsnr.sock").unlink()
    process = launch(folder)
    try:
        wait_for_link(Instance(folder, process, folder / "output"))
        error = notebook.call().error
    finally:
        process.kill()
        process.wait()
    assert isinstance(error, ModuleNotFoundError)
    assert error.__notes__[0] == "func.py could not be imported: the call itself did not begin"


def test_nothing_of_the_runtime_is_shown_and_nothing_is_underlined(deploy: Deploy) -> None:
    error = deploy(FAILING).call("ulm").error
    text = "".join(traceback.format_exception(error))
    assert "nbfn_runtime" not in text
    assert "^" not in text
    assert "tblib" not in text


def test_a_raised_one_is_printed_by_the_interpreter_itself(deploy: Deploy, tmp_path: Path) -> None:
    """Python's own printer reads positions from the code, not from the traceback module."""
    notebook = deploy("def greet(city):\n    return 1 / len(city) + 1")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.invoke.notebook import Caller, Endpoint, context_of, deployment\n"
        f"context = context_of({notebook.context.source.partition(chr(10) * 2)[2]!r})\n"
        f"caller = Caller(Endpoint('http://localhost', Path({str(notebook.instance.socket)!r})))\n"
        "result = caller.call(deployment(), [''], {}, context)\n"
        "raise result.error\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(script)],
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f'File "{CELL}", line 2, in greet' in done.stderr
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "^" not in done.stderr
