"""Completion of the magics: the flags of the one that is written, and the functions of this notebook."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nbfn.remote import Remote

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from IPython.core.interactiveshell import InteractiveShell

_OWN = ("fn_deploy",)
"""Cell magics; the rest are line magics."""


def install(shell: InteractiveShell, magics: Iterable[tuple[str, argparse.ArgumentParser]]) -> list[str]:
    """Complete the lines of ``magics``, each a name and its parser; gives the names."""
    names = []
    for name, parser in magics:
        shell.set_hook("complete_command", _completer(shell, parser), str_key=_key(name))
        names.append(name)
    return names


def remove(shell: InteractiveShell, names: Iterable[str]) -> None:
    """Take the completion of these magics out again."""
    for name in names:
        shell.strdispatchers["complete_command"].strs.pop(_key(name), None)


def _key(name: str) -> str:
    return f"%%{name}" if name in _OWN else f"%{name}"


def _completer(shell: InteractiveShell, parser: argparse.ArgumentParser) -> Any:
    usage = parser.format_usage()
    flags = sorted(set(re.findall(r"--[a-z-]+", usage)))
    takes_function = re.search(r"(?<![-\w])name\b", usage) is not None

    def complete(*_: object) -> list[str]:
        if not takes_function:
            return flags
        values = shell.user_ns.items()
        return [*flags, *(name for name, value in values if isinstance(value, Remote) and name[0] != "_")]

    return complete
