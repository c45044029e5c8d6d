"""What every command is given: where output goes, where input comes from, and the session it works in."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from nbfn.commands.show import Show, Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.contexts import Context
    from nbfn.session import Session


def piped() -> bytes:
    """What is piped into the process; nothing if a person would have to type it."""
    return b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()


@dataclass(slots=True)
class Edge:
    """The terminal's, or the notebook's."""

    show: Show = field(default_factory=Terminal)
    read_input: Callable[[], bytes] = piped
    in_notebook: bool = False
    context: str = ""
    """``--context``; empty for the current one."""
    registry: str = ""
    """``--registry``."""
    verbose: bool = False
    """``-v`` before the command, which is as good as behind it."""
    _own: Session | None = None

    @property
    def session(self) -> Session:
        """The current session, or one of its own if another context or registry was asked for."""
        from nbfn import session as sessions

        if not self.context and not self.registry:
            return sessions.current()
        if self._own is None:
            current = sessions.current()
            self._own = sessions.Session(
                current.settings, current.cells, current.namespace, lambda: self._meant(current)
            )
        return self._own

    def _meant(self, current: Session) -> Context:
        """Read when it is first needed: a diagnosis has a session although it cannot be."""
        from dataclasses import replace

        from nbfn.contexts import Contexts

        context = Contexts().current(self.context) if self.context else current.context
        return replace(context, registry=self.registry) if self.registry else context

    def line(self, words: str) -> str:
        """How ``words`` are said here, to be copied."""
        return f"`{'%fn' if self.in_notebook else 'nbfn'} {words}`"

    def of_context(self, advice: str) -> str:
        """``advice`` for the context that was asked for this time: what it says to update is that one."""
        meant = f"`nbfn --context {self.context} update context "
        return advice.replace("`nbfn update context ", meant) if self.context else advice

    def close(self) -> None:
        """End the session that was made for one line. The current one stays."""
        if self._own is not None:
            self._own.close()
            self._own = None


edge = click.make_pass_decorator(Edge, ensure=True)
