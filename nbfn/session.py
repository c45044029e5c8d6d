"""One notebook's or command's connection of the stages: capture → image → target → call → events.

A session costs nothing until it is used: the executor is found or started on the first deployment or call,
and again when it has gone away meanwhile.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from nbfn import config, local, targets
from nbfn.capture import Cells
from nbfn.containerize import Layout, build, publish
from nbfn.containerize.host import machine_platform
from nbfn.contexts import Context, Contexts
from nbfn.delivery import HOST, Route, asked, image_name, route
from nbfn.errors import ExecutorLost, ExecutorNotRunning, ImageError
from nbfn.invoke import CallContext, Caller, NotSent, ResultStream, Terms
from nbfn.observe import events

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbfn.config import Settings
    from nbfn.deploy.base import Target
    from nbfn.deploy.control import Control
    from nbfn.observe.events import Observer, Subscription
    from nbfn.observe.watcher import Watcher
    from nbfn.spec import CallResult, Capture, Deployment, FunctionSpec, ImageRef, Progress
    from nbfn.targets import Server
    from nbfn.transport import Endpoint

T = TypeVar("T")

_log = logging.getLogger(__name__)
_ATTEMPTS = 3
_PLAIN = Terms()


@dataclass(frozen=True, slots=True)
class _Connection:
    """Everything that hangs on one server."""

    server: Server
    caller: Caller
    lease: local.Lease | None
    """None for a server that does not go away by itself."""
    pid: int
    """The process that made it: sockets must not be shared with a forked child."""

    def release(self) -> None:
        if self.lease is not None:
            self.lease.release()

    def close(self) -> None:
        self.release()
        self.caller.close()
        self.server.client.close()


class Session:
    """The stages wired together. Safe to use from several threads.

    ``cells`` and ``namespace`` are what the notebook has run and holds; a script needs neither. ``context``
    is asked for the context when that is first needed (default: the current one).
    """

    def __init__(
        self,
        settings: Settings | None = None,
        cells: Cells | None = None,
        namespace: Mapping[str, object] | None = None,
        context: Callable[[], Context] | None = None,
    ) -> None:
        self.settings = settings or config.load()
        self.cells = Cells() if cells is None else cells
        self.namespace = namespace
        self._context: Context | None = None
        self._told = context or (lambda: Contexts().current())
        self._lock = threading.RLock()
        self._connection: _Connection | None = None
        self._retired: list[_Connection] = []
        self._subscriptions: list[Subscription] = []
        self._built: dict[tuple[object, ...], ImageRef] = {}
        self.watcher: Watcher | None = None  # a notebook shows what takes its time

    @cached_property
    def layout(self) -> Layout:
        """The image store that this process writes and the executor reads."""
        return Layout(self.settings.images)

    @property
    def context(self) -> Context:
        """Which server is meant: the current context when it was first asked for, until another is used.

        Raises:
            BadInput: the files of the contexts cannot be understood.
        """
        if self._context is None:
            self._context = self._told()
        return self._context

    def use_context(self, context: Context) -> None:
        """Move to another context: what is deployed, asked or called from now on is there."""
        with self._lock:
            former, self._connection, self._context = self._connection, None, context
            if former is not None:  # other threads may still be reading their answers from it
                self._retired.append(former)
                former.release()

    @property
    def endpoint(self) -> Endpoint:
        """Where the server is, found or started now if need be. Raises as :func:`targets.open_server`."""
        return self._connect().server.endpoint

    @property
    def followed(self) -> Endpoint | None:
        """Where events come from, if this session is connected to nbfn's own executor; starts nothing."""
        return self._last_endpoint()

    @property
    def target(self) -> Target:
        """Where functions are deployed to. Raises as :func:`targets.open_server`."""
        return self._connect().server.target

    @property
    def control(self) -> Control:
        """What the server holds, object by object. Raises as :func:`targets.open_server`."""
        return self.server.control

    @property
    def server(self) -> Server:
        """The server itself, which is there now. Raises as :func:`targets.open_server`."""
        connection = self._connect()
        server = connection.server
        if server.own and local.find(self.settings) != server.endpoint:
            return self._reconnect(connection).server
        return server

    def deploy(
        self,
        spec: FunctionSpec,
        capture: Capture,
        *,
        force: bool = False,
        progress: Progress | None = None,
        tag: str = "",
    ) -> Deployment:
        """Build the image and make the target hold it; ``changed`` is False if it already did.

        The image is whole before the target hears of it, so a failure leaves what was deployed before. For
        another server than this machine's executor it is sent to the context's registry first; OCI Functions
        gets the code alone if the context has none. ``force`` builds again although nothing that the capture
        shows has changed. ``tag`` is the version that the image's name shall have, beside its digest.

        Raises:
            BadInput, StateError: the image cannot be built, or the server would not take it.
            ImageError: the same, or it cannot be brought to where the server could run it.
            ExecutorError: there is no executor to be had.
            TargetError: it refused.
        """
        way = self.check_reach(spec.name, spec.base)
        # What a person gives with the function goes before what its secrets were here, if they are here.
        secrets = {key: value for key, value in capture.config.items() if value}
        spec = replace(spec, base=way.base, config={**secrets, **spec.config})
        self.check(spec)
        if way.way == "code":
            return self.server.apply_code(spec, capture, self.settings.state, progress)
        if way.way == "push":  # before minutes go into an image that would be refused
            self.server.check_architecture(spec.app, machine_platform()["architecture"])
        key = (spec.app, spec.name, spec.base, spec.requires, capture.fingerprint)
        image = None if force else self._built.get(key)
        if image is None or not self._holds(image):
            built = build(spec, capture, self.layout, progress=progress, settings=self.settings)
            image = built.image
            self._built[key] = image
        ready = replace(image, tag=tag)
        if way.way == "push":
            ready = self.publish(spec.name, ready, progress=progress)
        return self.ask(lambda target: target.apply(spec, ready, capture.fingerprint))

    def deploy_image(
        self, spec: FunctionSpec, image: ImageRef, fingerprint: str, *, tag: str = ""
    ) -> Deployment:
        """Make the target hold an image that is there already, where the target can read it.

        ``fingerprint`` tells whether its code has changed. Raises as :meth:`deploy`.
        """
        ready = replace(image, tag=tag or image.tag)
        return self.ask(lambda target: target.apply(spec, ready, fingerprint))

    def check(self, spec: FunctionSpec) -> None:
        """Return if the context's server would take the function, as far as that is known without asking it.

        Raises:
            BadInput: it would not: a limit, a key of the configuration, the registry.
        """
        if not self.context.is_local:
            self.server.check(asked(spec, self.context))

    def publish(self, name: str, image: ImageRef, *, progress: Progress | None = None) -> ImageRef:
        """Send an image of the function ``name`` to the context's registry; by its name and digest there.

        It is called ``REGISTRY/NAME`` with the tag of ``image``, or one made of its digest.

        Raises:
            LoginFailed: the registry does not know us; says which part of the login is wrong.
            ImageError: there is no such image, or the registry cannot be reached, or refused.
        """
        tag = image.tag or image.short
        self.server.prepare(called := image_name(self.context, name, tag))
        plain, where, ours = replace(image, tag=""), f"docker://{called}", self.settings
        return replace(publish(plain, where, self.layout, settings=ours, progress=progress), tag=tag)

    def check_reach(self, name: str, base: str = HOST) -> Route:
        """The way to the context's server for an image, on ``base``, of the function ``name``.

        Raises:
            ImageError: there is none.
            BadInput, ExecutorError: as :func:`targets.open_server`.
        """
        own = self.context.is_local or self.server.own
        driver = local.driver_of(self.settings, self.followed) if own and base == HOST else ""
        return route(self.context, base, own=own, name=name, driver=driver)

    def ask(self, question: Callable[[Target], T]) -> T:
        """What ``question`` returns; asked once more if the executor has gone away meanwhile.

        Only for what may be done twice, such as everything that a target can do.
        """
        connection = self._connect()
        try:
            return question(connection.server.target)
        except (ExecutorNotRunning, ExecutorLost) as error:
            if not connection.server.own:
                raise
            _log.info("the executor went away, looking for another: %s", error.message)
            return question(self._reconnect(connection).server.target)

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
        except ExecutorLost as error:
            if connection.server.own:
                raise
            raise ExecutorLost(
                f"the connection to {connection.server.endpoint.url} broke during the call: it may have run",
                hint="look at what it does or logs before you call it again",
            ) from error
        except NotSent as error:
            if not connection.server.own:
                where = connection.server.endpoint.url
                raise ExecutorNotRunning(
                    f"nothing answers at {where} (context {self.context.name!r}): {error}",
                    hint="is the server running, and is that its address?",
                ) from error
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
        endpoint = self._last_endpoint()  # None if it is not nbfn's own
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
                self._connection = self._open()
            return self._connection

    def _reconnect(self, failed: _Connection) -> _Connection:
        """Another connection than ``failed``, unless another thread has already made one."""
        with self._lock:
            if self._connection is not failed:
                return self._connect()
            opened = self._open()
            # Other threads may still be reading their answers from the old client: close it later.
            self._retired.append(failed)
            failed.release()
            self._connection = opened
            return self._connection

    def _open(self) -> _Connection:
        for attempt in range(1, _ATTEMPTS + 1):
            server = targets.open_server(self.context, self.settings)
            lease = local.hold_lease(server.endpoint) if server.own else None
            if lease is None or lease.held or attempt == _ATTEMPTS:
                return _Connection(server, server.caller(), lease, os.getpid())
            server.client.close()  # its time without users was over just before we came
        raise AssertionError  # the last attempt returns or raises

    def _last_endpoint(self) -> Endpoint | None:
        """Where events come from: only nbfn's own executor tells any."""
        connection = self._connection
        return connection.server.endpoint if connection and connection.server.own else None

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
