"""Every open dashboard of a shell.

Events are only kept when they come. One thread draws what changed, at most five times a second, and another
asks for what no event tells. A dashboard ends when its cell runs again, and beyond a number the oldest does;
what it showed last stays.
"""

from __future__ import annotations

import threading
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from nbfn.notebook.dashboard.acts import HELD, Held
from nbfn.notebook.dashboard.survey import Survey
from nbfn.notebook.threads import begin_cell, in_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

    from nbfn.notebook.dashboard.dashboard import Dashboard
    from nbfn.session import Session

OPEN_MAX = 12
REFRESH_S = 0.2
SURVEY_S = 2.0
REST_S = 0.3
"""How long the end of a cell waits for what goes on to end."""


class Dashboards:
    """The dashboards of ``shell``. Public methods are called on the main thread."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._has_frontend = getattr(shell, "kernel", None) is not None
        self._shown: tuple[tuple[object, Dashboard], ...] = ()
        self._cell: str | None = None
        self._changed, self._ended = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        self._hooks = (("pre_run_cell", self._before_cell), ("post_run_cell", self._after_cell))
        for event, hook in self._hooks:
            shell.events.register(event, hook)

    def __len__(self) -> int:
        return len(self._shown)

    def show(self, dashboard: Dashboard) -> None:
        """Display ``dashboard`` as a part of the running cell's output."""
        if not self._has_frontend:
            print(dashboard)  # noqa: T201 - a terminal
            return
        self._close_if(lambda _, shown: shown is dashboard)
        key = self._cell or dashboard.scope
        dashboard.changed = self._changed.set
        survey = Survey(dashboard.session)
        try:
            dashboard.show(survey, self._find)
        finally:
            survey.close()
        self._shown = (*self._shown, (key, dashboard))
        if not self._cell:  # a front end that does not tell which cell it is
            self._close_if(lambda other, shown: other == key and shown is not dashboard)
        for _, oldest in self._shown[:-OPEN_MAX]:
            self._close_if(lambda _, shown, oldest=oldest: shown is oldest)
        self._start()

    def close(self, *, freeze: bool = True) -> None:
        """End all of them; with ``freeze`` each shows what was seen last."""
        self._ended.set()
        self._changed.set()
        for thread in self._threads:
            thread.join()
        self._threads = []
        for _, dashboard in self._shown:
            dashboard.close(freeze=freeze)
        self._shown = ()

    def remove(self) -> None:
        """End all of them, and leave the shell as it was."""
        self.close()
        for event, hook in self._hooks:
            self._shell.events.unregister(event, hook)
        _of.pop(self._shell, None)

    def _find(self, fn_id: str) -> Held | None:
        for value in tuple(self._shell.user_ns.values()):
            if isinstance(value, HELD) and value.deployment and value.deployment.fn_id == fn_id:
                return value
        return None

    def _before_cell(self, info: ExecutionInfo) -> None:
        begin_cell()
        self._cell = info.cell_id
        if self._cell:
            self._close_if(lambda key, _: key == self._cell)

    def _after_cell(self, _: ExecutionResult) -> None:
        deadline = time.monotonic() + REST_S
        for _key, dashboard in self._shown:
            dashboard.feed.wait_for_rest(deadline)
            dashboard.draw()

    def _close_if(self, unwanted: Any) -> None:
        """The threads may be looking at the old tuple: it is replaced, not changed."""
        closing = [dashboard for key, dashboard in self._shown if unwanted(key, dashboard)]
        self._shown = tuple((key, shown) for key, shown in self._shown if shown not in closing)
        for dashboard in closing:
            dashboard.close()

    def _start(self) -> None:
        if not self._threads:
            self._ended.clear()
            draw = in_context(self._draw_all)
            for target, name in ((partial(self._draw, draw), "nbfn-dashboards"), (self._look, "nbfn-survey")):
                thread = threading.Thread(target=target, name=name, daemon=True)
                thread.start()
                self._threads.append(thread)

    def _draw(self, draw: Callable[[], bool]) -> None:
        moving = False
        while not self._ended.is_set():
            self._changed.wait(REFRESH_S if moving else None)
            self._changed.clear()
            moving = draw()
            self._ended.wait(REFRESH_S)

    def _draw_all(self) -> bool:
        """True if one of them goes on changing by itself."""
        return sum(dashboard.draw() for _, dashboard in self._shown) > 0

    def _look(self) -> None:
        surveys: dict[Session, Survey] = {}
        while not self._ended.wait(SURVEY_S):
            for _, dashboard in self._shown:
                survey = surveys.setdefault(dashboard.session, Survey(dashboard.session))
                dashboard.look(survey)
        for survey in surveys.values():
            survey.close()


_of: weakref.WeakKeyDictionary[InteractiveShell, Dashboards] = weakref.WeakKeyDictionary()


def of(shell: InteractiveShell) -> Dashboards:
    """The dashboards of ``shell``."""
    if shell not in _of:
        _of[shell] = Dashboards(shell)
    return _of[shell]
