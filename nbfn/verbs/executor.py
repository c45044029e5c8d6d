"""This machine's executor from Python. Nothing of it is needed: what needs the executor starts it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nbfn import config, local
from nbfn.errors import ExecutorError
from nbfn.running import Running, running, stop_running

if TYPE_CHECKING:
    from collections.abc import Mapping

# One that a person starts stays until it is stopped.
_FOREVER_S = 10 * 365 * 86400.0


def start_executor(
    *, port: int | None = None, log_level: str = "", environ: Mapping[str, str] | None = None
) -> str:
    """Start this machine's executor, unless it is running, and have it stay; tells its address.

    ``port`` is that of its TCP listener: 0 takes a free one, -1 is none; without it, ``NBFN_PORT`` says.
    ``log_level`` is how much it writes to ``executor.log``, instead of ``NBFN_LOG_LEVEL``. ``environ`` are
    more variables for it, settings of nbfn's among them.

    Raises:
        BadInput: a setting that cannot be.
        ExecutorError: it cannot be started, or is running already, and not so.
        StateError: its folder cannot be used.
    """
    settings = config.load({**config.variables(), **(environ or {})}, log_level=log_level or None)
    if port is not None:
        settings = replace(settings, port=None if port == -1 else port)
    found = local.find(settings)
    if found is None:
        return local.ensure(replace(settings, linger_s=_FOREVER_S), environ).url
    if log_level or environ:
        raise ExecutorError(
            f"the executor of {settings.state} is running already, and cannot be told anything any more",
            hint="`nbfn stop` ends it; then start it with that",
        )
    if port is not None and port > 0 and not found.url.endswith(f":{port}"):
        raise ExecutorError(
            f"the executor of {settings.state} is running already, at {found.url}",
            hint=f"`nbfn stop` ends it; then `nbfn start --port {port}`",
        )
    return found.url


def executor_status() -> Running | None:
    """This machine's executor, by its process and address; None if it is not running."""
    return running(config.load())


def stop_executor(*, grace_s: float | None = None, kill: bool = False) -> bool:
    """End this machine's executor, and return when it is gone; False if it was not running.

    Calls that run have ``grace_s`` seconds to finish, or (None) as long as their functions' timeouts let
    them; with ``kill`` they have not. Functions are kept.

    Raises:
        ExecutorError: it is another user's, or does not end.
    """
    settings = config.load()
    found = running(settings)
    if found is not None:
        stop_running(settings, found, grace_s=grace_s, kill=kill)
    return found is not None
