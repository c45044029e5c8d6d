"""A Python function that runs as a serverless one: called as before, with the same signature."""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypedDict, TypeVar, Unpack, cast, overload

from nbfn import revisions
from nbfn import session as sessions
from nbfn.calls import Call, Retries, found
from nbfn.capture import capture
from nbfn.capture.report import large
from nbfn.containerize import read_requirements
from nbfn.delivery import HOST
from nbfn.errors import BadInput, NbfnError
from nbfn.invoke import CallContext
from nbfn.observe.watcher import watched
from nbfn.remote import Remote
from nbfn.scale import Scale
from nbfn.spec import FunctionSpec, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbfn.capture.diff import Difference
    from nbfn.capture.report import Inside
    from nbfn.session import Session
    from nbfn.spec import Capture, Deployment, Progress, Taken

_log = logging.getLogger(__name__)

_RETRIES_MAX = 100
_NO_RETRIES = Retries()

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Options(TypedDict, total=False):
    """What a function may be given beside its code; see :func:`function`."""

    name: str | None
    app: str | None
    memory: int | None
    timeout: int | None
    idle_timeout: int | None
    min_instances: int | None
    max_instances: int | None
    config: Mapping[str, str] | None
    requires: Sequence[str]
    base: str
    retries: int
    idempotent: bool


class Function(Remote[P, R_co]):
    """A function and its deployment. Calling it runs it remotely, after deploying it if it was not yet.

    What was deployed is what is called: a change of the source shows after the next :meth:`deploy`.
    """

    def __init__(
        self,
        f: Callable[P, R_co],
        spec: FunctionSpec,
        session: Session | None = None,
        retries: Retries = _NO_RETRIES,
    ) -> None:
        functools.update_wrapper(cast("Callable[..., R_co]", self), f)
        super().__init__(spec, session)
        self.capture: Capture | None = None
        """What was deployed, as source and data; None before the first deployment."""
        self.retries = retries
        try:
            self.__signature__ = inspect.signature(f)
        except (TypeError, ValueError):
            self.__signature__ = None

    def deploy(self, *, force: bool = False, progress: Progress | None = None) -> Function[P, R_co]:
        """Deploy the function as it is now. Changes nothing if nothing has changed, unless ``force``.

        Raises:
            BadInput: something in it cannot travel, or an option cannot be.
            ImageError, StateError, ExecutorError, TargetError: as :meth:`Session.deploy`.
        """
        with self._deploying:
            self._deploy(force=force, progress=progress)
        return self

    def show(self) -> Inside:
        """What is in its image, and what was left out and why; before a deployment, what would be in it.

        Deploys nothing. Raises what :meth:`deploy` raises if something in it cannot travel.
        """
        deployment = self.deployment
        taken = (self.capture if deployment else None) or self._capture()
        return revisions.inside(self.spec, taken, self.session, deployment)

    def diff(self) -> Difference:
        """What deploying it now would change: source, data, packages, limits. False if nothing.

        Raises:
            NotFound: it is not deployed.
            BadInput, ImageError, ExecutorError, TargetError: as :meth:`deploy`.
        """
        return revisions.since_deployed(self.spec, self._capture(), self.session)

    @property
    def taken(self) -> Sequence[Taken]:
        """What the deployed source took along and from where; before a deployment, what would be taken."""
        return (self.capture or self._capture()).taken

    @property
    def source(self) -> str:
        """The text of the deployed ``func.py``; before a deployment, of what would be deployed."""
        return (self.capture or self._capture()).source

    def _deploy(
        self, *, force: bool = False, progress: Progress | None = None
    ) -> tuple[Deployment, CallContext]:
        __tracebackhide__ = True
        with self._noted(), watched(self.session.watcher, self.spec.name, progress) as told:
            taken, place = self._capture(), self.session.context
            deployment = self.session.deploy(self.spec, taken, force=force, progress=told)
        if deployment.changed:
            for row in large(taken):
                _log.warning("%s takes %r, of %s, along: %s", self.spec.name, row.name, row.origin, row.note)
        self.capture = taken
        return self._keep(deployment, self._context_of(taken), place)

    def _as_it_was(self, deployment: Deployment) -> CallContext:
        self.capture = revisions.captured(self.session.layout, deployment.image)
        return self._context_of(self.capture)

    def _context_of(self, taken: Capture | None) -> CallContext:
        source = taken.source if taken else ""
        return CallContext(
            namespace=self._namespace(),
            names=_defined_in(source),
            source=source,
            source_map=taken.source_map if taken else (),
        )

    def _capture(self) -> Capture:
        return capture(
            self.__wrapped__,
            namespace=self._namespace(),
            cells=self.session.cells,
            requires=self.spec.requires,
            fetch=self._has_wheels(),
        )

    def _has_wheels(self) -> bool:
        """Whether what it requires comes from wheels where it is not installed here: on any base but ours."""
        if self.spec.base == HOST and self.spec.requires:
            with contextlib.suppress(NbfnError):  # there is no way to the server: deploying says so
                return self.session.check_reach(self.spec.name).base != HOST
        return self.spec.base != HOST

    def _namespace(self) -> Mapping[str, object]:
        own: Mapping[str, object] = getattr(inspect.unwrap(self.__wrapped__), "__globals__", {})
        notebook = self.session.namespace
        return own if notebook is None or own.get("__name__") != "__main__" else notebook


@overload
def function(f: Callable[P, R], /, **options: Unpack[Options]) -> Function[P, R]: ...
@overload
def function(f: None = None, /, **options: Unpack[Options]) -> Callable[[Callable[P, R]], Function[P, R]]: ...
def function(
    f: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    app: str | None = None,
    memory: int | None = None,
    timeout: int | None = None,
    idle_timeout: int | None = None,
    min_instances: int | None = None,
    max_instances: int | None = None,
    config: Mapping[str, str] | None = None,
    requires: Sequence[str] = (),
    base: str = "host",
    retries: int = 0,
    idempotent: bool = False,
) -> Function[P, R] | Callable[[Callable[P, R]], Function[P, R]]:
    """Make ``f`` run remotely; it is deployed on its first call. A decorator, with or without options.

    Args:
        f: the Python function.
        name: its name at the target; by default that of ``f``.
        app: the application it goes to; by default ``NBFN_APP``, or ``notebook``.
        memory: what an instance may use, in MB (1 to 8192; default 256).
        timeout: what a call may take, in seconds (1 to 300; default 30).
        idle_timeout: how long an instance waits for another call, in seconds (1 to 3600; default 30).
        min_instances: instances that are kept ready without a call, as far as memory allows (default 0).
        max_instances: more are never there at once: further calls wait (by default as many as calls want).
        config: environment variables of its instances.
        requires: requirements beyond those that its imports show, as ``pip`` takes them, or files of them
            (``requirements.txt``).
        base: what its image builds on: ``host`` is this machine's own Python, or ``fn`` where that is not,
            as in containers; ``fn`` is Fn's image of Python, or what ``NBFN_BASE`` names; anything else an
            image by its name in a registry, or by where it is (``docker-daemon:NAME``, ``oci:FOLDER``,
            ``oci-archive:FILE``).
        retries: how often a call is made again that was refused before it began (the queue was full).
        idempotent: running it twice is as good as once: a call is then also made again if its instance died
            or the executor went away, at most ``retries`` times. What it raises itself is never retried.

    Raises:
        BadInput: a name, limit or option that cannot be.
    """

    def make(target: Callable[P, R]) -> Function[P, R]:
        given = target.__wrapped__ if isinstance(target, Function) else target
        if not callable(given):
            raise BadInput(f"{given!r} is not a function", hint="give a function, or use @function above one")
        spec = FunctionSpec(
            name=name if name is not None else getattr(given, "__name__", type(given).__name__),
            app=app if app is not None else sessions.current().settings.app,
            limits=_limits(memory, timeout, idle_timeout),
            config=_config(config),
            requires=_requires(requires),
            base=base,
            scale=Scale(min_instances or 0, max_instances),
        )
        return Function(given, spec, retries=_retries(retries, idempotent))

    return make if f is None else make(f)


def deploy(f: Callable[P, R], /, **options: Unpack[Options]) -> Function[P, R]:
    """:func:`function`, deployed now. A :class:`Function` without options is deployed again, as it is.

    Raises:
        BadInput: a name, limit or option that cannot be, or something in ``f`` that cannot travel.
        ImageError, StateError, ExecutorError, TargetError: as :meth:`Session.deploy`.
    """
    __tracebackhide__ = True
    made = f if isinstance(f, Function) and not options else function(f, **options)
    return made.deploy()


def call(call_id: str) -> Call[Any]:
    """The handle of a call by its id, from whichever kernel it was made: status, logs, cancel, what it cost.

    Raises:
        NotFound: the executor keeps no record of it (any more).
        TargetError: the target keeps none of any call.
    """
    return found(call_id, sessions.current())


def show(f: Callable[..., object], /) -> Inside:
    """What is, or would be, in the image of a function: generated code, packages, data, sizes and reasons.

    ``f`` may be a :class:`Function` or a plain one; nothing is deployed.

    Raises:
        BadInput: something in it cannot travel.
    """
    made: Function[..., object] = f if isinstance(f, Function) else function(f)
    return made.show()


def _limits(memory: int | None, timeout: int | None, idle_timeout: int | None) -> Limits:
    default = Limits()
    return Limits(
        memory_mb=default.memory_mb if memory is None else memory,
        timeout_s=default.timeout_s if timeout is None else timeout,
        idle_timeout_s=default.idle_timeout_s if idle_timeout is None else idle_timeout,
    )


def _retries(most: object, idempotent: bool) -> Retries:
    if isinstance(most, bool) or not isinstance(most, int) or not 0 <= most <= _RETRIES_MAX:
        raise BadInput(f"retries is {most!r}", hint=f"use a whole number from 0 to {_RETRIES_MAX}")
    return Retries(most, idempotent)


def _config(config: Mapping[Any, Any] | None) -> Mapping[str, str]:
    for key, value in (config or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise BadInput(
                f"config has {key!r}: a {type(value).__name__}",
                hint="names and values are text: an environment holds nothing else",
            )
    return dict(config or {})


def _requires(requires: object) -> tuple[str, ...]:
    if not isinstance(requires, list | tuple) or not all(isinstance(each, str) for each in requires):
        raise BadInput(f"requires is {requires!r}", hint=f"give a list of texts: [{requires!r}]")
    found: list[str] = []
    for each in requires:
        found += read_requirements(Path(each).expanduser()) if each.endswith(".txt") else [each]
    return tuple(dict.fromkeys(found))


def _defined_in(source: str) -> frozenset[str]:
    """The names that a ``func.py`` defines: what travels by reference in a pickle."""
    names: set[str] = set()
    for node in ast.parse(source).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign():
                names.update(each.id for each in node.targets if isinstance(each, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return frozenset(names)
