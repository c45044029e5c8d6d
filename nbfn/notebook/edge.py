"""What ``%load_ext nbfn`` sets up in a shell, and takes away again."""

from __future__ import annotations

import atexit
import weakref
from typing import TYPE_CHECKING

from nbfn import config
from nbfn import session as sessions
from nbfn.capture import Cells
from nbfn.notebook import completion, errors, fn
from nbfn.notebook.cards import Cards
from nbfn.notebook.cells import Recorder
from nbfn.notebook.dashboard import dashboards
from nbfn.notebook.magics import FnMagics
from nbfn.notebook.threads import begin_cell
from nbfn.notebook.waiting import Waiting
from nbfn.remote import Remote

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class Edge:
    """nbfn in one shell: a session over its namespace, magics, recorded cells, cards and short errors."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self.session = sessions.Session(config.load(), Cells(), shell.user_ns)
        self.cards = Cards(shell)
        self.session.watcher = waiting = Waiting(shell)
        recorder = Recorder(shell, self.session.cells)
        self._hooks = (
            ("pre_run_cell", begin_cell),
            ("pre_run_cell", recorder.before_cell),
            ("post_run_cell", waiting.after_cell),
            ("post_run_cell", self.cards.after_cell),
        )
        for event, hook in self._hooks:
            shell.events.register(event, hook)
        self.dashboards = dashboards.of(shell)
        self._magics = FnMagics(shell, recorder, self.cards, waiting)
        shell.register_magics(self._magics)
        self._fn = fn.install(shell)
        lines = completion.of_magics(shell, self._magics.parsers())
        completion.install(shell, {**lines, **dict.fromkeys(fn.NAMES, fn.complete)})
        formatter = shell.display_formatter
        self._displays = formatter.ipython_display_formatter if formatter else None
        if self._displays is not None:
            self._displays.for_type(Remote, self.cards.show)
        self._restore_errors = errors.install(shell)
        sessions.use(self.session)
        atexit.register(self.close)

    def remove(self) -> None:
        """Leave the shell as it was. Cards stay as they are, without life."""
        for event, hook in self._hooks:
            self._shell.events.unregister(event, hook)
        for magics in (self._magics, self._fn):
            for kind, names in magics.magics.items():
                for name in names:
                    self._shell.magics_manager.magics[kind].pop(name, None)
        completion.remove(self._shell)
        if self._displays is not None:
            self._displays.pop(Remote, None)
        self._restore_errors()
        self.dashboards.remove()
        self.cards.close()
        atexit.unregister(self.close)
        self.session.close()

    def close(self) -> None:
        """At the end of the process: nobody reads displays any more."""
        self.dashboards.close(freeze=False)
        self.cards.close(freeze=False)
        self.session.close()


_edges: weakref.WeakKeyDictionary[InteractiveShell, Edge] = weakref.WeakKeyDictionary()


def load(shell: InteractiveShell) -> None:
    """Set nbfn up in ``shell``. Loading twice changes nothing.

    Raises:
        BadInput: a setting in the environment that cannot be.
    """
    if shell not in _edges:
        _edges[shell] = Edge(shell)


def unload(shell: InteractiveShell) -> None:
    """Take nbfn out of ``shell``; what was deployed stays deployed."""
    edge = _edges.pop(shell, None)
    if edge is not None:
        edge.remove()
