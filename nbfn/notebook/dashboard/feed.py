"""What is known of a scope now: its events, kept as they come and folded when somebody looks."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from nbfn.observe.activity import Activity, fold

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.observe.activity import Scope
    from nbfn.session import Session
    from nbfn.spec import Event

_UNREAD = 20_000
"""Events that wait to be folded. More of them than this while nobody draws, and the oldest are not seen."""


class Feed:
    """Follows ``scope`` from the first event that the executor remembers until closed.

    ``changed`` is called on the portal's thread, holding nothing, when there is something to draw.
    """

    def __init__(self, session: Session, scope: Scope, changed: Callable[[], object]) -> None:
        self._activity = Activity(scope)
        self._unread: deque[Event] = deque(maxlen=_UNREAD)
        self._news = threading.Condition()
        self._changed = changed
        self._subscription = session.subscribe(scope.fn_id, self._observe, after=0)

    @property
    def activity(self) -> Activity:
        """Everything that has come so far."""
        with self._news:
            return self._fold()

    @property
    def open(self) -> bool:
        """False once closed, or if the session that it belongs to was."""
        return self._subscription.open

    def learn(self, change: Callable[[Activity], Activity]) -> None:
        """Put in what was found out otherwise than by events."""
        with self._news:
            before = self._fold()
            self._activity = change(before)
        if self._activity is not before:
            self._changed()

    def wait_for_rest(self, deadline: float) -> None:
        """Return when nothing is going on, at ``deadline`` (on the monotonic clock) if something still is."""
        with self._news:
            self._news.wait_for(lambda: self._fold().at_rest, max(deadline - time.monotonic(), 0))

    def wait_for_news(self, deadline: float) -> None:
        """Return when an event has come, at ``deadline`` if there was none yet."""
        with self._news:
            self._news.wait_for(lambda: self._fold().seq > 0, max(deadline - time.monotonic(), 0))

    def close(self) -> None:
        self._subscription.close()

    def _observe(self, event: Event) -> None:
        with self._news:
            self._unread.append(event)
            self._news.notify_all()
        self._changed()

    def _fold(self) -> Activity:
        if self._unread:
            self._activity = fold(self._activity, self._unread)
            self._unread.clear()
        return self._activity
