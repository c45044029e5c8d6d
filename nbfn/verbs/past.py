"""What a function wrote and did, as the context's server has kept it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn import session as sessions
from nbfn.errors import NotFound
from nbfn.observe.calls import Calls
from nbfn.observe.logs import Logs

if TYPE_CHECKING:
    from nbfn.deploy.oci.watching import Counts
    from nbfn.session import Session


def logs(app: str, name: str, *, call_id: str = "", limit: int = 100, session: Session | None = None) -> Logs:
    """The last ``limit`` pieces that a function wrote, or that one call of it did, oldest first.

    From OCI it is what the Logging service has of the last day, a minute late, and only if the
    application's log is enabled.

    Raises:
        NotFound: there is no such function, or no such call of it; or one may not read its log: the hint has
            the policy statement.
        TargetError: the server keeps no output.
    """
    ours = session or sessions.current()
    fn_id = ours.control.function(app, name)["id"]
    found = Logs(ours.ask(lambda target: target.logs(fn_id, call_id=call_id or None, limit=limit)))
    if call_id and not found and ours.server.own:
        _check_call(ours, fn_id, call_id, f"{app} {name}")
    return found


def _check_call(ours: Session, fn_id: str, call_id: str, of: str) -> None:
    """Nothing was written by it: because it is silent, or because it is none?"""
    try:
        known = ours.ask(lambda target: target.call(call_id)).fn_id == fn_id
    except NotFound:
        known = False
    if not known:
        raise NotFound(
            f"{of} has no call {call_id!r}", hint=f"`nbfn list calls {of}` shows those that are kept"
        )


def function_calls(app: str, name: str, *, limit: int = 100, session: Session | None = None) -> Calls:
    """The last ``limit`` calls of a function: those that wait or run, then those that are over, newest first.

    Raises:
        NotFound: there is no such function.
        TargetError: the server keeps no calls.
    """
    ours = session or sessions.current()
    fn_id = ours.control.function(app, name)["id"]
    return Calls(ours.ask(lambda target: target.calls(fn_id, limit=max(limit, 1))))[:limit]


def counts(app: str, name: str, *, minutes: int = 60, session: Session | None = None) -> Counts:
    """How often a function was called in the last ``minutes``, how it ended and how long it took.

    By the numbers of OCI's Monitoring; :func:`nbfn.stats` tells more of this machine's executor.

    Raises:
        NotFound: there is no such function, or one may not read its metrics.
        TargetError: the server keeps no such numbers.
    """
    server = (session or sessions.current()).server
    return server.counts(server.control.function(app, name)["id"], minutes)
