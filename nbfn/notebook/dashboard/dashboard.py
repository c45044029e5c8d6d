"""One dashboard: what it follows, the output with its picture, and the output with its controls."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython
from IPython.display import display

from nbfn import session as sessions
from nbfn.errors import BadInput, NotFound
from nbfn.notebook.dashboard import dashboards
from nbfn.notebook.dashboard.acts import HELD, Held
from nbfn.notebook.dashboard.controls import Controls
from nbfn.notebook.dashboard.feed import Feed
from nbfn.notebook.dashboard.html import html
from nbfn.notebook.dashboard.survey import Survey
from nbfn.notebook.dashboard.text import text
from nbfn.notebook.dashboard.view import view
from nbfn.observe.activity import Scope
from nbfn.remote import Remote

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.notebook.dashboard.board import Board
    from nbfn.observe.activity import Activity
    from nbfn.session import Session

_MOVES_S = 0.5
"""While something goes on time itself is drawn: so often at least."""
_RELIST_S = 1.0


def dashboard(of: Remote[..., Any] | str | None = None, /, *, app: str | None = None) -> Dashboard:
    """The live picture of a function, of an application, or (without either) of the whole executor.

    As the value of a cell it is shown: instances, calls over time with their cold parts, how long they took,
    the log; and, where there is a front end, controls. ``print`` of it is the same as text.

    Args:
        of: a function, or the name of one that is deployed.
        app: the application of that name; or all the functions of this one.

    Raises:
        NotFound: there is no such function.
        BadInput: ``of`` is no function.
        ExecutorError, TargetError: there is no executor to be had, or it refused.
    """
    session = sessions.current()
    if of is None:
        return Dashboard(session, Scope(app=app or ""))
    if isinstance(of, Remote):
        if of.deployment is None and isinstance(of, HELD):
            of.deploy()
        if of.deployment is None:
            raise BadInput(f"{of!r} is not deployed here", hint="is another context in use?")
        return Dashboard(of.session, Scope(of.deployment.fn_id))
    if not isinstance(of, str):
        raise BadInput(f"{of!r} is no function of nbfn", hint="give what nbfn.deploy() returned, or a name")
    name, place = of, app or session.settings.app
    found = session.ask(lambda target: target.inspect(place, name))
    if not found.id:
        raise NotFound(f"no function {name!r} in {place!r}", status=404)
    return Dashboard(session, Scope(found.id))


class Dashboard:
    """Follows its scope from when it is first looked at until closed. Safe to use from any thread."""

    def __init__(self, session: Session, scope: Scope) -> None:
        self.session = session
        self.scope = scope
        self.changed: Callable[[], object] = _nobody
        """Called from any thread when there is something to draw."""
        self.controls: Controls | None = None
        self._lock = threading.RLock()
        self._feed: Feed | None = None
        self._filter = ""
        self._display_id: str | None = None
        self._drawn: tuple[Activity, str] | None = None
        self._drawn_at = self._listed_at = 0.0
        self._listed: tuple[str, ...] | None = None

    @property
    def feed(self) -> Feed:
        """What it follows."""
        with self._lock:
            if self._feed is None:
                self._feed = Feed(self.session, self.scope, lambda: self.changed())
            return self._feed

    @property
    def open(self) -> bool:
        """True while it is on a page and lives."""
        return self._display_id is not None

    def board(self) -> Board:
        """What it shows now."""
        return view(self.feed.activity, now=time.time(), log_filter=self._filter)

    def show(self, survey: Survey, find: Callable[[str], Held | None] | None) -> None:
        """Display it where the running cell's output goes; without ``find`` it has no controls."""
        survey.list(self.feed)
        self.feed.wait_for_news(time.monotonic() + 0.2)
        survey.measure(self.feed)
        with self._lock:
            if find is not None:
                self.controls = Controls(self.session, self.feed, find, self._filtered)
                display(self.controls.widget)
            self._display_id = uuid.uuid4().hex
            self._send(self.feed.activity, update=False)

    def draw(self) -> bool:
        """Bring the output up to date; True if it goes on changing by itself."""
        with self._lock:
            if self._display_id is None:
                return False
            activity = self.feed.activity
            moves = not activity.at_rest
            stale = moves and time.monotonic() - self._drawn_at >= _MOVES_S
            if stale or self._drawn is None or (activity, self._filter) != self._drawn:
                if self._drawn is not None and activity.functions is not self._drawn[0].functions:
                    self._offer()
                self._send(activity, update=True)
            return moves

    def look(self, survey: Survey) -> None:
        """Find out what no event tells: new functions and their limits, memory."""
        feed = self.feed
        deployed = tuple(
            f"{each.id} {each.image} {each.deleted}" for each in feed.activity.functions.values()
        )
        if deployed != self._listed or time.monotonic() - self._listed_at > 10 * _RELIST_S:
            survey.list(feed)
            self._listed_at, self._listed = time.monotonic(), deployed
        if feed.activity.live:
            survey.measure(feed)

    def close(self, *, freeze: bool = True) -> None:
        """End it; with ``freeze`` it shows what was seen last, and its controls are taken away."""
        if freeze:
            self.draw()
        with self._lock:
            self._display_id = None
            if self._feed is not None:
                self._feed.close()
            if self.controls is not None and freeze:
                self.controls.close()
            self.controls = None

    def _ipython_display_(self) -> None:
        shell = get_ipython()
        if shell is None:
            print(self)  # noqa: T201 - a shell without displays
        else:
            dashboards.of(shell).show(self)

    def __str__(self) -> str:
        survey = Survey(self.session)
        try:
            survey.list(self.feed)
            self.feed.wait_for_news(time.monotonic() + 0.2)
            survey.measure(self.feed)
            return text(self.board())
        finally:
            survey.close()
            if not self.open:
                self._forget()

    def _forget(self) -> None:
        with self._lock:
            if self._feed is not None:
                self._feed.close()
                self._feed = None

    def _filtered(self, wanted: str) -> None:
        self._filter = wanted
        self.changed()

    def _offer(self) -> None:
        if self.controls is not None:
            self.controls.refresh()

    def _send(self, activity: Activity, *, update: bool) -> None:
        self._drawn, self._drawn_at = (activity, self._filter), time.monotonic()
        board = view(activity, now=time.time(), log_filter=self._filter)
        bundle = {"text/html": html(board), "text/plain": text(board)}
        display(bundle, raw=True, display_id=self._display_id, update=update)


def _nobody() -> None:
    """Nobody draws yet."""
