"""Threads that wait for calls: as many as there are calls, up to a bound, and none that holds up the end.

A standard pool's threads are joined when the interpreter ends, so a call that never returns would keep a
kernel from ending.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_MOST = 64
_IDLE_S = 10.0


class Crew:
    """At most ``most`` works at once; more wait their turn."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._threads = 0

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Run ``work`` in a thread, soon. A future that is cancelled before it begins never does."""
        future: Future[T] = Future()
        with self._changed:
            self._waiting.append((future, work))
            if self._idle >= len(self._waiting):
                self._changed.notify()
            elif self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._live, name="nbfn-call", daemon=True).start()
        return future

    def _live(self) -> None:
        while (next_one := self._next()) is not None:
            future, work = next_one
            if not future.set_running_or_notify_cancel():
                continue
            try:
                value = work()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(value)
                del value
            del future, work, next_one  # an idle thread keeps nothing alive

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._changed:
            if not self._waiting:
                self._idle += 1
                self._changed.wait_for(lambda: self._waiting, _IDLE_S)
                self._idle -= 1
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
            return None


_crew = Crew()


def crew() -> Crew:
    """The process's crew. A forked child has one of its own: threads do not survive a fork."""
    return _crew


def _forget() -> None:
    global _crew
    _crew = Crew()


os.register_at_fork(after_in_child=_forget)
