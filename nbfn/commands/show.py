"""How commands show things. In a terminal it is text; the notebook shows the same things richly."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Protocol

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbfn.verbs.diagnosis import Diagnosis


class Show(Protocol):
    """Where a command's output goes."""

    def say(self, text: str) -> None:
        """What was done, or is."""
        ...

    def note(self, text: str) -> None:
        """What is no result: there is nothing to list, a hint."""
        ...

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A list."""
        ...

    def document(self, value: Any) -> None:
        """Something as JSON."""
        ...

    def diagnosis(self, found: Diagnosis) -> None:
        """What checks found."""
        ...

    def body(self, content: bytes, content_type: str) -> None:
        """What a function answered."""
        ...


class Terminal:
    """Plain text on standard output; notes on standard error."""

    def say(self, text: str) -> None:
        click.echo(text)

    def note(self, text: str) -> None:
        click.echo(text, err=True)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        click.echo(aligned(heads, rows))

    def document(self, value: Any) -> None:
        click.echo(indented(value))

    def diagnosis(self, found: Diagnosis) -> None:
        click.echo(str(found))

    def body(self, content: bytes, content_type: str) -> None:
        click.echo(content, nl=_wants_newline(content))


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as text, its columns aligned."""
    table = [heads, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def indented(value: Any) -> str:
    """``value`` as JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _wants_newline(content: bytes) -> bool:
    """A prompt right behind a line is ugly; a byte too many in a pipe is wrong."""
    return not content.endswith(b"\n") and sys.stdout.isatty()
