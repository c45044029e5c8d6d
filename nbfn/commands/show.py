"""How commands show things. In a terminal it is text; the notebook shows the same things richly."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import click

from nbfn.listing import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbfn.spec import Progress
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

    def meter(self) -> Progress:
        """Who is told how far something is that takes a while."""
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

    def meter(self) -> Progress:
        """One line that grows where a person looks on; in a log, the last one of each part."""
        watched = sys.stderr.isatty()

        def draw(step: Step) -> None:
            if watched:
                click.echo(f"\r{step}", nl=step.over, err=True)
            elif step.over:
                click.echo(str(step), err=True)

        return metered(draw)


@dataclass(frozen=True, slots=True)
class Step:
    """How far a part of something is."""

    what: str
    done: int
    total: int

    @property
    def over(self) -> bool:
        """True if that part is done."""
        return self.done >= self.total

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 100

    def __str__(self) -> str:
        sizes = f"{self.done / 1e6:.1f} of {self.total / 1e6:.1f} MB"
        return f"{self.what:<9}{sizes:>22}  {self.percent:>3} %"


def metered(draw: Callable[[Step], None]) -> Progress:
    """Tell ``draw`` of each percent once."""
    told: set[tuple[str, int]] = set()

    def progress(what: str, done: int, total: int) -> None:
        step = Step(what, done, total)
        if (what, step.percent) not in told:
            told.add((what, step.percent))
            draw(step)

    return progress


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as text, its columns aligned."""
    return columns([heads, *rows])


def indented(value: Any) -> str:
    """``value`` as JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _wants_newline(content: bytes) -> bool:
    """A prompt right behind a line is ugly; a byte too many in a pipe is wrong."""
    return not content.endswith(b"\n") and sys.stdout.isatty()
