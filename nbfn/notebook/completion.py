"""Completion of the magics' lines: what can stand there, and nothing of Python's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from IPython.core.completer import SimpleCompletion, context_matcher

from nbfn.remote import Remote

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

    Complete = Callable[[str, str], Sequence[str]]
    """Is given the line up to its last word, and that word; gives what it can become."""
    Lines = Mapping[str, Complete]
    """By the magic, as it is written: ``%fn``, ``%%fn``."""

_MATCHER = "nbfn.lines"
_CELLS = ("fn_deploy",)
"""Cell magics; the rest are line magics."""


def install(shell: InteractiveShell, lines: Lines) -> None:
    """Complete these lines, and have nobody else complete them."""

    def match(context: CompletionContext) -> SimpleMatcherResult:
        before = context.text_until_cursor
        command, space, _ = before.lstrip().partition(" ")
        complete = _find(shell, lines, command, context.cursor_line) if space else None
        if complete is None:
            return {"completions": []}
        word = re.split(r"\s", before)[-1]
        found = [each for each in complete(before[: len(before) - len(word)], word) if each.startswith(word)]
        # One result keeps the others out: where nothing fits, the word stays as it is.
        completions = [SimpleCompletion(each, type="magic") for each in found or [word]]
        return {"completions": completions, "matched_fragment": word, "ordered": True, "suppress": True}

    if shell.Completer is not None:
        shell.Completer.custom_matchers.insert(0, context_matcher(identifier=_MATCHER)(match))


def remove(shell: InteractiveShell) -> None:
    """Take that out again."""
    if shell.Completer is not None:
        held = shell.Completer.custom_matchers
        held[:] = [each for each in held if getattr(each, "matcher_identifier", "") != _MATCHER]


def of_magics(shell: InteractiveShell, magics: Iterable[tuple[str, argparse.ArgumentParser]]) -> Lines:
    """The lines of ``magics``, each a name and its parser: their flags, and this notebook's functions."""
    return {f"{'%%' if name in _CELLS else '%'}{name}": _of(shell, parser) for name, parser in magics}


def _find(shell: InteractiveShell, lines: Lines, command: str, line: int) -> Complete | None:
    if command.startswith("%%") and line:
        return None  # in a cell's body
    if command.startswith("%"):
        return lines.get(command)
    # As IPython runs it: without its %, unless a variable has the name.
    return lines.get(f"%{command}") if shell.automagic and command not in shell.user_ns else None


def _of(shell: InteractiveShell, parser: argparse.ArgumentParser) -> Complete:
    usage = parser.format_usage()
    flags = sorted(set(re.findall(r"--[a-z-]+", usage)))
    takes_function = re.search(r"(?<![-\w])name\b", usage) is not None

    def complete(_: str, word: str) -> list[str]:
        if not takes_function or word.startswith("-"):
            return flags
        values = shell.user_ns.items()
        return [*(name for name, value in values if isinstance(value, Remote) and name[0] != "_"), *flags]

    return complete
