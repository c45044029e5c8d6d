"""Bars for what takes longer than half a second: they come late, change seldom, and go when it is over."""

from __future__ import annotations

import sys
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from IPython.display import display

from nbfn.notebook.bars import Bar, html, text
from nbfn.notebook.threads import in_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from IPython.core.interactiveshell import InteractiveShell

    from nbfn.calls.mapping import Mapped

PATIENCE_S = 0.5
REFRESH_S = 0.2


class Shown:
    """One bar. It is told how far things are from any thread, and drawn by one of its own."""

    def __init__(self, place: _Place, bar: Bar, look: Callable[[Bar], Bar] | None = None) -> None:
        self._place = place
        self._bar = bar
        self._look = look
        self._began = time.monotonic()
        self._over = threading.Event()
        self._drawn: Bar | None = None
        self._kept = False
        self._thread = threading.Thread(target=in_context(self._live), name="nbfn-bar", daemon=True)
        self._thread.start()

    def __call__(self, what: str, done: int, total: int) -> None:
        self._bar = self._bar.told(what, done, total)

    def finish(self) -> None:
        """Let it go soon."""
        self._over.set()

    def end(self) -> None:
        """Take it away, unless it was handed over."""
        self._over.set()
        self._thread.join()

    def hand_over(self) -> str | None:
        """The display that it was in, for what shall be seen there from now on; None if it was not shown."""
        self._kept = True
        self.end()
        return self._place.display_id if self._drawn else None

    def _live(self) -> None:
        patience_s = PATIENCE_S
        while not self._over.wait(patience_s):
            patience_s = REFRESH_S
            bar = replace(self._bar, seconds=time.monotonic() - self._began)
            bar = self._look(bar) if self._look else bar
            if self._drawn is None and not self._place.here:
                return
            if self._drawn is None or text(bar) != text(self._drawn):
                self._place.draw(bar, first=self._drawn is None)
                self._drawn = bar
        if self._drawn is not None and not self._kept:
            self._place.clear()


class Waiting:
    """The bars of ``shell``. Public methods are called on the main thread, or show nothing."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._maps: list[Shown] = []

    def after_cell(self, _: object = None) -> None:
        """A hook for ``post_run_cell``: no bar outlives its cell, or a saved notebook would keep it."""
        for shown in self._maps:
            shown.end()
        self._maps = []

    @contextmanager
    def deploying(self, name: str) -> Iterator[Shown]:
        """While a deployment goes on; what it gives is told how far."""
        shown = Shown(_place(self._shell), Bar(name, "capture"))
        try:
            yield shown
        finally:
            shown.end()

    def mapping(self, name: str, mapped: Mapped[Any]) -> None:
        """Until the calls of a map are over, or the cell that began it."""
        place = _place(self._shell)
        if place.silent or threading.current_thread() is not threading.main_thread():
            return
        shown = Shown(place, Bar(name), lambda bar: _of_map(bar, mapped))
        self._maps.append(shown)
        mapped.when_over(shown.finish)


def _of_map(bar: Bar, mapped: Mapped[Any]) -> Bar:
    failed = len(mapped.errors)
    what = "calls" + (f", {failed} failed" if failed else "")
    return replace(bar, what=what, done=mapped.done, total=mapped.total)


def _place(shell: InteractiveShell) -> _Place:
    return _Place(shell) if getattr(shell, "kernel", None) is not None else _Terminal(shell)


class _Place:
    """The output of the cell that runs now."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._cell = shell.execution_count
        self.display_id = uuid.uuid4().hex

    @property
    def silent(self) -> bool:
        """Whether nothing can be shown there."""
        return False

    @property
    def here(self) -> bool:
        """Whether that cell still runs: another one's output is no place for it."""
        return bool(self._shell.execution_count == self._cell)

    def draw(self, bar: Bar, *, first: bool) -> None:
        bundle = {"text/html": html(bar), "text/plain": text(bar)}
        display(bundle, raw=True, display_id=self.display_id, update=not first)

    def clear(self) -> None:
        empty = {"text/html": "", "text/plain": ""}
        display(empty, raw=True, display_id=self.display_id, update=True)


class _Terminal(_Place):
    """A line that is written over, on a terminal; nothing where that would become many lines."""

    @property
    def silent(self) -> bool:
        return not sys.stderr.isatty()

    def draw(self, bar: Bar, *, first: bool) -> None:
        if not self.silent:
            sys.stderr.write(f"\r\x1b[K{text(bar)}")
            sys.stderr.flush()

    def clear(self) -> None:
        if not self.silent:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
