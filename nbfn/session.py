"""One notebook's or command's connection of the stages: capture → image → target → call → events.

A session costs nothing until it is used: the executor is found or started on the first deployment or call,
and again when it has gone away meanwhile.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from nbfn import config, local
from nbfn.capture import Cells
from nbfn.containerize import Layout, build
from nbfn.deploy.fn import FnTarget
from nbfn.errors import ExecutorLost, ExecutorNotRunning, ImageError
from nbfn.invoke import Caller, NotSent, Terms
from nbfn.observe import events

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

    from nbfn.config import Settings
    from nbfn.deploy.base import Target
    from nbfn.invoke import CallContext, ResultStream
    from nbfn.observe.events import Observer, Subscription
    from nbfn.spec import CallResult, Capture, Deployment, FunctionSpec, ImageRef
    from nbfn.transport import Endpoint

T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and out of how much."""

_log = logging.getLogger(__name__)

_CONTROL_TIMEOUT_S = 30.0
_PLAIN = Terms()


@dataclass(frozen=True, slots=True)
class _Connection:
    """Everything that hangs on one executor."""

    endpoint: Endpoint
    client: httpx.Client
    target: FnTarget
    caller: Caller
    lease: local.Lease
    pid: int
    """The process that made it: sockets must not be shared with a forked child."""

    def close(self) -> None:
        self.lease.release()
        self.client.close()
        self.caller.close()


class Session:
    """The stages wired together. Safe to use from several threads.

    ``cells`` and ``namespace`` are what the notebook has run and holds; a script needs neither.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        cells: Cells | None = None,
        namespace: Mapping[str, object] | None = None,
    ) -> None:
        self.settings = settings or config.load()
        self.cells = Cells() if cells is None else cells
        self.namespace = namespace
        self._lock = threading.RLock()
        self._connection: _Connection | None = None
        self._retired: list[_Connection] = []
        self._subscriptions: list[Subscription] = []
        self._built: dict[tuple[object, ...], ImageRef] = {}

    @cached_property
    def layout(self) -> Layout:
        """The image store that this process writes and the executor reads."""
        return Layout(self.settings.images)

    @property
    def endpoint(self) -> Endpoint:
        """Where the executor is, found or started now if need be. Raises as :func:`local.ensure`."""
        return self._connect().endpoint

    @property
    def target(self) -> Target:
        """Where functions are deployed to. Raises as :func:`local.ensure`."""
        return self._connect().target

    def deploy(
        self, spec: FunctionSpec, capture: Capture, *, force: bool = False, progress: Progress | None = None
    ) -> Deployment:
        """Build the image and make the target hold it; ``changed`` is False if it already did.

        The image is whole before the target hears of it, so a failure leaves what was deployed before.
        ``force`` builds again although nothing that the capture shows has changed.

        Raises:
            BadInput, ImageError, StateError: the image cannot be built.
            ExecutorError: there is no executor to be had.
            TargetError: it refused.
        """
        key = (spec.app, spec.name, spec.base, spec.requires, capture.fingerprint)
        image = None if force else self._built.get(key)
        if image is None or not self._holds(image):
            image = build(spec, capture, self.layout, progress=progress).image
            self._built[key] = image
        ready = image
        return self.ask(lambda target: target.apply(spec, ready, capture.fingerprint))

    def ask(self, question: Callable[[Target], T]) -> T:
        """What ``question`` returns; asked once more if the executor has gone away meanwhile.

        Only for what may be done twice, such as everything that a target can do.
        """
        connection = self._connect()
        try:
            return question(connection.target)
        except (ExecutorNotRunning, ExecutorLost) as error:
            _log.info("the executor went away, looking for another: %s", error.message)
            return question(self._reconnect(connection).target)

    def call(
        self,
        deployment: Deployment,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        context: CallContext,
        terms: Terms = _PLAIN,
    ) -> CallResult:
        """Call it once. What the function raised is in the result.

        Raises:
            CallError: it ended without the function's own answer.
            ExecutorLost: the executor died meanwhile, so the call may or may not have run. The next call
                starts another executor.
            ExecutorNotRunning: there is none to be had.
        """
        __tracebackhide__ = True
        return self._sent(lambda caller: caller.call(deployment, args, kwargs, context, terms))

    def stream(
        self,
        deployment: Deployment,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        context: CallContext,
        terms: Terms = _PLAIN,
    ) -> ResultStream:
        """Call a function that yields. Raises as :meth:`call`; what the function raises, iterating does."""
        __tracebackhide__ = True
        return self._sent(lambda caller: caller.stream(deployment, args, kwargs, context, terms))

    def _sent(self, send: Callable[[Caller], T]) -> T:
        """What ``send`` returns, with another executor if there is nobody to send to any more."""
        __tracebackhide__ = True
        connection = self._connect()
        try:
            return send(connection.caller)
        except NotSent:
            connection = self._reconnect(connection)  # nothing was sent: it cannot have run
        try:
            return send(connection.caller)
        except NotSent as error:
            raise ExecutorNotRunning(
                f"the executor was started and went away again: {error}",
                hint=f"its log is {self.settings.state / 'executor.log'}",
            ) from error

    def subscribe(self, fn_id: str, observer: Observer, *, after: int | None = None) -> Subscription:
        """Hand every event of a function (of all, if ``fn_id`` is empty) to ``observer``, from now on.

        See :func:`nbfn.observe.events.subscribe` for ``after`` and what an observer may do.
        """
        self._connect()
        subscription = events.subscribe(self._last_endpoint, fn_id, observer, after=after)
        with self._lock:
            self._subscriptions = [each for each in self._subscriptions if each.open] + [subscription]
        return subscription

    def url(self, deployment: Deployment) -> str:
        """Where ``POST`` invokes it now: an executor that was started again may have another port."""
        endpoint = self._last_endpoint()
        return f"{endpoint.url}/invoke/{deployment.fn_id}" if endpoint else deployment.url

    def close(self) -> None:
        """End subscriptions and connections. The executor is left running for whoever else uses it.

        A closed session that is used again connects again.
        """
        with self._lock:
            subscriptions, self._subscriptions = self._subscriptions, []
            connections = [*self._retired, *([self._connection] if self._connection else [])]
            self._connection, self._retired = None, []
        for subscription in subscriptions:
            subscription.close()
        for connection in connections:
            if connection.pid == os.getpid():
                connection.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> _Connection:
        with self._lock:
            if self._connection is None or self._connection.pid != os.getpid():
                self._connection = self._open(local.ensure(self.settings))
            return self._connection

    def _reconnect(self, failed: _Connection) -> _Connection:
        """Another connection than ``failed``, unless another thread has already made one."""
        with self._lock:
            if self._connection is not failed:
                return self._connect()
            endpoint = local.ensure(self.settings)
            # Other threads may still be reading their answers from the old client: close it later.
            self._retired.append(failed)
            failed.lease.release()
            self._connection = self._open(endpoint)
            return self._connection

    def _open(self, endpoint: Endpoint) -> _Connection:
        client = endpoint.client(timeout=_CONTROL_TIMEOUT_S)
        return _Connection(
            endpoint=endpoint,
            client=client,
            target=FnTarget(client),
            caller=Caller(endpoint),
            lease=local.hold_lease(endpoint),
            pid=os.getpid(),
        )

    def _last_endpoint(self) -> Endpoint | None:
        connection = self._connection
        return connection.endpoint if connection else None

    def _holds(self, image: ImageRef) -> bool:
        try:
            self.layout.get(image)
        except ImageError:
            return False
        return True


_current: Session | None = None
_current_lock = threading.Lock()


def current() -> Session:
    """The process's session, made on first use from the environment's settings."""
    global _current
    with _current_lock:
        if _current is None:
            _current = Session()
        return _current


def use(session: Session) -> None:
    """Make ``session`` the current one. The one before is closed; functions of it go on working."""
    global _current
    with _current_lock:
        former, _current = _current, session
    if former is not None and former is not session:
        former.close()
