"""The local Fn server: a process of its own that holds functions and runs their calls.

::

    listen ─► front ─┬─► gateway ─► pool ─► scheduler (decides) · driver (acts) · run ─► hop (to an instance)
              guard  └─► control ─► api · own ─► catalog ─► store

The client side never imports this package: the two meet over HTTP (``docs/wire.md``, ``docs/executor.md``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbfn.config import Settings


def serve(
    settings: Settings,
    *,
    linger: float | None = None,
    on_listening: Callable[[Mapping[str, object]], None] | None = None,
) -> None:
    """Run the executor until it is stopped by a signal, over HTTP, or by having no users.

    ``linger`` is for an executor that was started by use: seconds without an open lease and without a
    running call after which it ends itself (None: it stays). ``on_listening`` gets what
    ``executor.json`` holds, once both listeners accept.

    Raises:
        ExecutorError: another executor holds this state folder, or an address cannot be listened on.
        StateError: the state folder cannot be used.
    """
    from nbfn.executor.process import run  # the server's imports cost 0.2 s: only who serves pays

    run(settings, linger=linger, on_listening=on_listening)


__all__ = ["serve"]
