"""How errors look in a notebook: class, message, what to do, and the line of the cell that asked for it.

Who wants to see all that led to one asks as everywhere in IPython: ``%xmode Verbose``.
"""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.errors import NbfnError
from nbfn.notebook.text import as_magics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from IPython.core.interactiveshell import InteractiveShell

_RED, _GREEN, _BLUE, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[34m", "\x1b[0m"
_CONTEXT_LINES = 2
_MAGIC_CALL = "get_ipython().run_"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a cell, with the cell around it."""

    label: str
    number: int
    text: Sequence[str]
    """All lines of the cell."""


def install(shell: InteractiveShell) -> Callable[[], None]:
    """Show errors of nbfn short in ``shell``; gives what undoes it.

    A handler that somebody else had set goes on getting its own exceptions.
    """
    others, other_handler = shell.custom_exceptions, getattr(shell, "CustomTB", None)

    def handle(
        shell: InteractiveShell,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
        tb_offset: int | None = None,
    ) -> Sequence[str] | None:
        if not isinstance(error, NbfnError):
            return other_handler(kind, error, trace, tb_offset) if other_handler else None
        if "_render_traceback_" not in vars(error):
            draw_as(shell, error, short(shell, error, _user_line(shell, trace)))
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        return None

    def undo() -> None:
        if NbfnError in shell.custom_exceptions:
            shell.set_custom_exc(others, None)
            if other_handler is not None:
                shell.CustomTB = other_handler

    shell.set_custom_exc((*others, NbfnError), handle)
    return undo


def draw_as(shell: InteractiveShell, error: BaseException, lines: list[str]) -> None:
    """Have IPython show ``error`` as ``lines`` instead of a traceback of its own making.

    Under ``%xmode Verbose`` it is asked for that traceback, and shows it; ``%tb`` then does, too.
    """

    def drawn() -> list[str]:
        if not _wants_internals(shell):
            return lines
        trace = error.__traceback__
        shown: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, trace, tb_offset=0)
        return shown

    error.__dict__["_render_traceback_"] = drawn


def draw_from(shell: InteractiveShell, error: BaseException, trace: TracebackType | None) -> None:
    """Have IPython show ``error`` as if ``trace`` were all that had led to it."""
    if isinstance(error, NbfnError):
        draw_as(shell, error, short(shell, error, _user_line(shell, trace)))
    else:
        lines = shell.InteractiveTB.structured_traceback(type(error), error, trace, tb_offset=0)
        draw_as(shell, error, lines)


def short(shell: InteractiveShell, error: NbfnError, line: Line | None = None) -> list[str]:
    """What is shown of ``error``, as lines; ``line`` is the one that asked for it."""
    paint = _painter(shell)
    lines = [f"{paint(_RED, type(error).__name__)}: {as_magics(error.message)}"]
    if error.hint:
        lines.append(f"  → {as_magics(error.hint)}")
    lines += getattr(error, "__notes__", [])
    if line is not None:
        lines += ["", f"{paint(_BLUE, line.label)}, line {line.number}", *_excerpt(line, paint)]
    return lines


def _wants_internals(shell: InteractiveShell) -> bool:
    return bool(shell.InteractiveTB.mode == "Verbose")


def _user_line(shell: InteractiveShell, trace: TracebackType | None) -> Line | None:
    """The innermost line of ``trace`` that a person wrote in a cell."""
    found = None
    while trace is not None:
        filename, number = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        named = shell.compile.format_code_name(filename)
        if named is not None and not linecache.getline(filename, number).startswith(_MAGIC_CALL):
            found = Line(" ".join(named), number, linecache.getlines(filename))
        trace = trace.tb_next
    return found


def _excerpt(line: Line, paint: Callable[[str, str], str]) -> list[str]:
    first = max(line.number - _CONTEXT_LINES, 1)
    shown = []
    for number, text in enumerate(line.text[first - 1 : line.number + _CONTEXT_LINES], first):
        arrow = "-" * (6 - len(str(number))) + "> " if number == line.number else ""
        shown.append(f"{paint(_GREEN, f'{arrow}{number}'.rjust(8))} {text.rstrip()}".rstrip())
    return shown


def _painter(shell: InteractiveShell) -> Callable[[str, str], str]:
    if str(getattr(shell, "colors", "")).lower() == "nocolor":
        return lambda _, text: text
    return lambda colour, text: f"{colour}{text}{_PLAIN}"
