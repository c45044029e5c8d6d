"""``%fn``: the commands of ``nbfn`` in this kernel, in the notebook's own session, shown richly.

``%%fn invoke APP FUNCTION`` sends the cell's body to the function.
"""

from __future__ import annotations

import json
import shlex
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import ShellComplete
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.display import display

from nbfn.commands.edge import Edge
from nbfn.commands.main import cli
from nbfn.commands.show import Step, aligned, indented, metered
from nbfn.errors import BadInput
from nbfn.notebook.text import as_magics, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from nbfn.spec import Progress
    from nbfn.verbs.diagnosis import Diagnosis

# It would never come back to the notebook.
_NOT_HERE = {"serve": "%fn start"}
NAMES = ("%fn", "%%fn")
"""How it is written."""


class Notebook:
    """A :class:`nbfn.commands.show.Show` of displays: each has HTML or JSON, and the terminal's text."""

    def say(self, text: str) -> None:
        print(text)  # noqa: T201 - lines of progress belong together, in the cell's own output

    def note(self, text: str) -> None:
        self.say(as_magics(text))  # not on standard error: red would look like a failure

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        display({"text/html": _table(heads, rows), "text/plain": printable(aligned(heads, rows))}, raw=True)

    def document(self, value: Any) -> None:
        text = printable(indented(value))
        display({"text/markdown": f"```json\n{text}\n```", "text/plain": text}, raw=True)

    def diagnosis(self, found: Diagnosis) -> None:
        rows = [
            (each.status, each.subject, as_magics(each.message), as_magics(each.advice)) for each in found
        ]
        table = _table(("", "what", "found", "what to do"), rows)
        display({"text/html": table, "text/plain": printable(as_magics(str(found)))}, raw=True)

    def body(self, content: bytes, content_type: str) -> None:
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "application/json":
            try:
                self.document(json.loads(content))
            except ValueError:
                pass
            else:
                return
        text = content.decode("utf-8", "replace")
        display({"text/plain": printable(text)}, raw=True)

    def meter(self) -> Progress:
        """A bar that grows, in one display."""
        shown: list[Any] = []

        def draw(step: Step) -> None:
            bundle = {"text/html": _bar(step), "text/plain": str(step)}
            if shown:
                shown[0].update(bundle, raw=True)
            else:
                shown.append(display(bundle, raw=True, display_id=True))

        return metered(draw)


@magics_class
class FnLine(Magics):
    """``%fn``."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell

    @line_cell_magic
    def fn(self, line: str, cell: str | None = None) -> None:
        """Run a command of `nbfn` (as the Fn CLI has them) in this notebook: `%fn list apps`, `%fn --help`.

        In a cell, `%%fn invoke APP FUNCTION` sends the rest of the cell to the function.
        """
        words = _words(line)
        if words and words[0] in _NOT_HERE:
            raise BadInput(
                f"%fn {words[0]} would never end", hint=f"{_NOT_HERE[words[0]]} runs in the background"
            )
        body = b"" if cell is None else cell.removesuffix("\n").encode()
        edge = Edge(show=Notebook(), read_input=lambda: body, in_notebook=True)
        try:
            cli.main(words or ["--help"], prog_name="%fn", standalone_mode=False, obj=edge)
        except click.UsageError as error:
            raise UsageError(_usage(error)) from None
        except click.Abort:
            raise KeyboardInterrupt from None
        except click.ClickException as error:
            raise BadInput(error.format_message()) from None
        except SystemExit:
            pass  # what it says has been shown


def install(shell: InteractiveShell) -> FnLine:
    """Register ``%fn`` in ``shell``."""
    magics = FnLine(shell)
    shell.register_magics(magics)
    return magics


def complete(before: str, word: str) -> list[str]:
    """What can stand at the end of a line: commands, options, names, folders and files."""
    try:
        words = shlex.split(before)[1:]
    except ValueError:
        return []
    found = ShellComplete(cli, {"obj": Edge(show=Notebook(), in_notebook=True)}, "fn", "_FN_COMPLETE")
    items = found.get_completions(words, word)
    option, equals, value = word.partition("=")
    before, rest = (option + equals, value) if equals and option.startswith("--") else ("", word)
    paths = [path for item in items if item.type in ("dir", "file") for path in _paths(rest, item.type)]
    plain = [item.value for item in items if item.type == "plain"]
    return [before + each for each in (*plain, *paths)]


def _paths(word: str, kind: str) -> list[str]:
    """Folders that ``word`` begins, with a slash, and files unless only folders are wanted."""
    folder, _, begun = word.rpartition("/")
    place = Path(f"{folder}/" if "/" in word else ".").expanduser()
    try:
        held = sorted(each for each in place.iterdir() if each.name.startswith(begun))
    except OSError:
        return []
    before = word[: len(word) - len(begun)]
    shown = [each for each in held if begun or not each.name.startswith(".")]
    return [
        f"{before}{each.name}{'/' if each.is_dir() else ''}"
        for each in shown
        if kind == "file" or each.is_dir()
    ]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise UsageError(f"{line!r} cannot be split into words: {error}") from error


def _usage(error: click.UsageError) -> str:
    usage = f"{error.ctx.get_usage()}\n" if error.ctx else ""
    return f"{usage}{as_magics(error.format_message())}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def row(tag: str, cells: Sequence[str]) -> str:
        more = ' scope="col"' if tag == "th" else ""
        inner = "".join(
            f'<{tag}{more} style="text-align:left">{escape(printable(cell))}</{tag}>' for cell in cells
        )
        return f"<tr>{inner}</tr>"

    body = "".join(row("td", cells) for cells in rows)
    return f'<table class="nbfn-list"><thead>{row("th", heads)}</thead><tbody>{body}</tbody></table>'


def _bar(step: Step) -> str:
    label = escape(step.what)
    return f'<progress max="100" value="{step.percent}" aria-label="{label}"></progress> {escape(str(step))}'
