"""Sockets and signals from the C modules under ``socket`` and ``signal``.

Those two import ``enum``, ``re`` and ``selectors``: with :mod:`json` half of what a cold start takes. All of
the runtime's use of private modules is here and in :mod:`.jsontext`.
"""

from __future__ import annotations

from _signal import (  # type: ignore[import-not-found]  # typeshed does not describe it
    ITIMER_REAL,
    SIG_DFL,
    SIGALRM,
    SIGTERM,
    setitimer,
    signal,
)
from _socket import AF_UNIX, SOCK_STREAM, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def listen(path: str, backlog: int) -> socket:
    """A unix socket that listens at ``path``."""
    listener = socket(AF_UNIX, SOCK_STREAM)
    listener.bind(path)
    listener.listen(backlog)
    return listener


def accept(listener: socket) -> socket:
    """The next connection of ``listener``."""
    fd, _ = listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001 - as socket.accept() does
    return socket(fileno=fd)


def on_terminate(do: Callable[[], None]) -> None:
    """Call ``do`` at SIGTERM, in the main thread."""
    signal(SIGTERM, lambda _number, _frame: do())


def on_alarm(after_s: float, do: Callable[[], None]) -> None:
    """Call ``do`` after a while, in the main thread, in between whatever it does."""
    signal(SIGALRM, lambda _number, _frame: do())
    setitimer(ITIMER_REAL, after_s)


def cancel_alarm() -> None:
    """Forget :func:`on_alarm`: the signal and its timer are the function's own again."""
    setitimer(ITIMER_REAL, 0)
    signal(SIGALRM, SIG_DFL)
