"""``%fn``: the command line in a notebook, in a real shell and in a real kernel."""

from __future__ import annotations

import _thread
import os
import signal
from threading import Timer
from typing import TYPE_CHECKING

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.utils.capture import capture_output

from nbfn import errors, local, session
from nbfn.containerize import Image
from nbfn.containerize.host import machine_platform
from nbfn.notebook.fn import Notebook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import nbformat
    from IPython.core.interactiveshell import InteractiveShell


@pytest.fixture
def at_home(shell: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("FN_", "OCI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(output: nbformat.NotebookNode) -> str:
    data = output.get("data", {})
    return str(output.get("text") or data.get("text/plain", ""))


def test_a_tutorial_in_a_kernel(run_cells: Callable[..., nbformat.NotebookNode], tmp_path: Path) -> None:
    made = run_cells(
        f"import os\nos.environ['HOME'] = {str(tmp_path)!r}\nos.environ.pop('FN_CONTEXT', None)\n"
        f"%cd -q {tmp_path}\n%load_ext nbfn",
        "%fn list contexts",
        "%fn create context tutorial --api-url http://localhost:8080 --registry me",
        "%fn use context default",
        "%fn init --runtime python hello-func",
        "%fn deploy --app app01 --create-app hello-func",
        "%fn list app",
        "%fn list f app01",
        "%fn invoke app01 hello-func",
        '%%fn invoke app01 hello-func\n{"name": "Bob"}',
        "%fn inspect f app01 hello-func memory",
        "import nbfn\nnbfn.invoke_function('app01', 'hello-func').text",
        "%fn delete app app01 --recursive",
    )
    texts = ["".join(map(shown, cell.outputs)) for cell in made.cells]
    assert texts[1].split("\n")[1].split() == ["*", "default", "default", "http://localhost:8080"]
    assert "<table" in made.cells[1].outputs[0].data["text/html"]
    assert texts[3] == "Now using context: default\n"
    assert "func.yaml created." in texts[4]
    assert "Bumped to version 0.0.2" in texts[5]
    assert texts[6].split("\n")[1].startswith("app01")
    assert "nbfn.local/app01/hello-func:0.0.2@sha256:" in texts[7]
    assert texts[8] == '{\n  "message": "Hello World"\n}'
    assert texts[9] == '{\n  "message": "Hello Bob"\n}'
    assert texts[10] == "256"
    assert "Hello World" in texts[11]
    assert texts[12] == "App app01 deleted\n"
    assert "version: 0.0.2" in (tmp_path / "hello-func" / "func.yaml").read_text()


def test_using_a_context_moves_the_notebook(
    shell: InteractiveShell, at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_line_magic("fn", "create context gone --api-url http://127.0.0.1:1")
    shell.run_line_magic("fn", "use context gone")
    assert session.current().context.name == "gone"
    with pytest.raises(errors.ExecutorNotRunning, match=r"127\.0\.0\.1:1"):
        shell.run_line_magic("fn", "list apps")
    # What another tool chooses meanwhile does not move a notebook.
    (at_home / ".fn" / "config.yaml").write_text("current-context: default\n")
    capsys.readouterr()
    shell.run_line_magic("fn", "list contexts")
    assert "*        gone" in capsys.readouterr().out
    shell.run_line_magic("fn", "--context default list apps")
    assert session.current().context.name == "gone"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nosuch", "No such command 'nosuch'"),
        ("create app", "Missing argument 'APP'"),
        ("list apps --nonsense", "No such option"),
        ("'open", "cannot be split into words"),
    ],
)
def test_a_line_that_cannot_be_is_a_usage_error(
    shell: InteractiveShell, at_home: Path, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    result = shell.run_cell(f"%fn {line}")
    assert type(result.error_in_exec).__name__ == "UsageError"
    output = capsys.readouterr()
    assert said in output.out + output.err
    assert "Traceback" not in output.out + output.err


def test_errors_are_short(shell: InteractiveShell, at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%fn use context gone")
    shown = capsys.readouterr().out
    assert "there is no context 'gone'" in shown
    assert "Traceback" not in shown
    assert "click" not in shown
    shell.run_cell("%fn serve")
    assert "%fn start" in capsys.readouterr().out


def test_images_and_transfers_are_shown_richly(shell: InteractiveShell, at_home: Path) -> None:
    def displayed(line: str) -> list[dict[str, str]]:
        with capture_output() as captured:
            shell.run_line_magic("fn", line)
        return [output.data for output in captured.outputs]

    layout = session.current().layout
    layout.put(Image.empty(machine_platform()), "team/empty", "1")
    (table,) = displayed("images list")
    assert "<table" in table["text/html"]
    assert "team/empty:1" in table["text/plain"]
    assert displayed("images list --output json")[0]["text/markdown"].startswith("```json")
    bars = displayed(f"push empty:1 oci-archive:{at_home / 'empty.tar'}")
    assert all("<progress" in bar["text/html"] for bar in bars)
    meter = Notebook().meter()
    with capture_output() as captured:
        meter("push", 0, 100)
        meter("push", 50, 100)
    assert [output.data["text/html"].count('value="50"') for output in captured.outputs] == [0, 1]
    assert len({output.transient["display_id"] for output in captured.outputs}) == 1


def test_a_failed_call_says_where_its_output_is(
    shell: InteractiveShell, at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("%fn init --runtime python bad")
    (at_home / "bad" / "func.py").write_text("def handler(ctx, data):\n    raise ValueError('no luck')\n")
    shell.run_cell("%fn deploy --app a --create-app bad")
    capsys.readouterr()
    result = shell.run_cell("%fn invoke a bad")
    assert isinstance(result.error_in_exec, errors.CallError)
    shown = capsys.readouterr().out
    assert "→ `%fn logs a bad` shows what it wrote" in shown
    shell.run_cell("%fn logs a bad")
    assert "ValueError: no luck" in capsys.readouterr().out


def test_what_to_do_is_said_in_the_words_of_a_notebook(
    shell: InteractiveShell, at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(line: str) -> str:
        with capture_output() as captured:
            shell.run_cell(line)
        return (
            captured.stdout
            + captured.stderr
            + "".join(output.data["text/html"] for output in captured.outputs)
        )

    shell.run_cell("%fn create context cloud --provider oracle --api-url http://127.0.0.1:1")
    assert "`%fn init --runtime python NAME` makes a function" in said("%fn deploy --app a")
    assert "`%fn unset config` removes one" in said("%fn config app a KEY ''")
    assert "stays until `%fn stop`" in said("%fn start")
    assert "`%fn --context cloud update context oracle." in said("%fn --context cloud doctor")


def test_help_is_shown(shell: InteractiveShell, at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%fn")
    assert "Usage: %fn [OPTIONS] COMMAND" in capsys.readouterr().out
    assert shell.run_cell("%fn list").success
    assert capsys.readouterr().out.startswith("Usage: %fn list")
    shell.run_cell("%fn invoke --help")
    assert "Usage: %fn invoke" in capsys.readouterr().out
    assert "list apps" in (shell.find_line_magic("fn").__doc__ or "")


def test_tab_completes(shell: InteractiveShell, at_home: Path) -> None:
    def completed(text: str) -> list[str]:
        with provisionalcompleter():
            return [each.text for each in shell.Completer.completions(text, len(text))]

    shell.run_line_magic("fn", "create context cloud --provider oracle")
    assert "deploy" in completed("%fn de")
    assert "delete" in completed("%fn de")
    assert completed("%fn use context cl") == ["cloud"]
    assert "--create-app" in completed("%fn deploy --cr")
    assert completed("%fn init --runtime py") == ["python"]
    assert completed("%fn wat") == ["watch"]
    assert completed("%fn list f app01 --output=js") == ["--output=json"]
    assert completed("%fn init --wor") == ["--working-dir"]
    assert completed("%fn list pbfs ve") == ["versions"]
    assert "app01" not in completed("%fn inspect app a")
    assert local.find(session.current().settings) is None, "no executor is started for it"
    shell.run_line_magic("fn", "create app app01")
    assert "app01" in completed("%fn inspect app a")
    assert "app01" in completed("%fn list f app")
    assert completed("%fn deploy --app=ap") == ["--app=app01"]
    assert completed("%fn inspect app nosuch") == ["nosuch"], "Python's names are not offered instead"


def test_tab_asks_where_the_notebook_is(shell: InteractiveShell, at_home: Path) -> None:
    shell.run_line_magic("fn", "create app app01")
    shell.run_line_magic("fn", "create context gone --api-url http://127.0.0.1:1")
    # What another tool chooses meanwhile does not move a notebook.
    (at_home / ".fn" / "config.yaml").write_text("current-context: gone\n")
    with provisionalcompleter():
        found = [each.text for each in shell.Completer.completions("%fn inspect app ap", 18)]
    assert found == ["app01"]


def test_watching_ends_with_the_interrupt_of_its_cell(
    shell: InteractiveShell, at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("%fn init --runtime python hello")
    shell.run_cell("%fn deploy --app a --create-app hello")
    capsys.readouterr()
    was = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt = Timer(1.0, _thread.interrupt_main)
    interrupt.start()
    try:
        result = shell.run_cell("%fn watch --app a -w hello")
    finally:
        interrupt.join()
        signal.signal(signal.SIGINT, was)
    assert result.success, "an interrupted cell that did what it should is no error"
    shown = capsys.readouterr().out
    assert f"Watching {at_home / 'hello'} (app=a)" in shown
    assert shown.endswith("Stopped watching.\n")


def test_it_goes_when_nbfn_is_unloaded(shell: InteractiveShell) -> None:
    from nbfn import notebook

    assert shell.find_line_magic("fn") is not None
    notebook.unload(shell)
    assert shell.find_line_magic("fn") is None
    assert shell.find_cell_magic("fn") is None
    notebook.load(shell)
