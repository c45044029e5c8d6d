"""What a function wrote and did, as the context's server has kept it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn import session as sessions
from nbfn.observe.logs import Logs

if TYPE_CHECKING:
    from nbfn.deploy.oci.watching import Counts
    from nbfn.session import Session


def logs(app: str, name: str, *, call_id: str = "", limit: int = 100, session: Session | None = None) -> Logs:
    """The last ``limit`` pieces that a function wrote, or that one call of it did, oldest first.

    From OCI it is what the Logging service has of the last day, a minute late, and only if the
    application's log is enabled.

    Raises:
        NotFound: there is no such function, or one may not read its log; the hint has the policy statement.
        TargetError: the server keeps no output.
    """
    ours = session or sessions.current()
    fn_id = ours.control.function(app, name)["id"]
    return Logs(ours.ask(lambda target: target.logs(fn_id, call_id=call_id or None, limit=limit)))


def counts(app: str, name: str, *, minutes: int = 60, session: Session | None = None) -> Counts:
    """How often a function was called in the last ``minutes``, how it ended and how long it took.

    By the numbers of OCI's Monitoring; :func:`nbfn.stats` tells more of this machine's executor.

    Raises:
        NotFound: there is no such function, or one may not read its metrics.
        TargetError: the server keeps no such numbers.
    """
    server = (session or sessions.current()).server
    return server.counts(server.control.function(app, name)["id"], minutes)
