"""What no event tells: which functions there are, with which limits, and the memory of their instances.

Asked of the executor that is there, now and then, by a client that gives up soon. An executor that has gone
away is not started for this.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from nbfn.deploy.fn import FnTarget
from nbfn.errors import ExecutorError, TargetError
from nbfn.observe.activity import Known, known, measured

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

    from nbfn.deploy.base import DeployedFunction
    from nbfn.notebook.dashboard.feed import Feed
    from nbfn.observe.activity import Activity
    from nbfn.session import Session
    from nbfn.spec import RunningInstance
    from nbfn.transport import Endpoint

TIMEOUT_S = 2.0
_MEASURED = 40
"""Functions whose instances are measured in one round."""


class Survey:
    """Asks for one session; close it. Used from one thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._where: Endpoint | None = None
        self._client: httpx.Client | None = None

    def list(self, feed: Feed) -> None:
        """Find out which functions there are."""
        scope = feed.activity.scope
        target = self._target()
        if target is None:
            return
        try:
            deployed = target.list(scope.app or None)
        except (ExecutorError, TargetError):
            return
        found = [_known(each) for each in deployed if scope.fn_id in ("", each.id)]
        feed.learn(lambda activity: known(activity, found))

    def measure(self, feed: Feed) -> None:
        """Find out how much memory the instances take."""
        activity = feed.activity
        target = self._target()
        for fn_id in sorted({each.fn_id for each in activity.live})[:_MEASURED]:
            if target is None:
                return
            try:
                instances = target.instances(fn_id)
            except (ExecutorError, TargetError):
                return

            feed.learn(partial(_measured, fn_id=fn_id, instances=instances))

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _target(self) -> FnTarget | None:
        where = self._session.followed
        if where != self._where or self._client is None:
            self.close()
            self._where = where
            self._client = where.client(timeout=TIMEOUT_S) if where else None
        return FnTarget(self._client) if self._client else None


def _known(function: DeployedFunction) -> Known:
    return Known(
        id=function.id,
        name=function.name,
        app=function.app,
        memory_mb=function.memory_mb,
        timeout_s=function.timeout_s,
        idle_timeout_s=function.idle_timeout_s,
        image=function.image,
    )


def _measured(activity: Activity, fn_id: str, instances: Sequence[RunningInstance]) -> Activity:
    return measured(activity, fn_id, instances)
