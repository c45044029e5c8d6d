"""Functions whose code is a project folder, in whichever language, called from Python with JSON."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from nbfn import projects
from nbfn.calls import Retries
from nbfn.containerize.recipe import repository
from nbfn.errors import BadInput
from nbfn.invoke import CallContext
from nbfn.observe.watcher import watched
from nbfn.projects import cells
from nbfn.remote import Remote
from nbfn.scale import Scale
from nbfn.spec import FunctionSpec, Limits
from nbfn.verbs.building import USUAL, Building, check_own, deploy_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbfn.projects import FuncFile
    from nbfn.session import Session
    from nbfn.spec import Deployment, Progress

    Say = Callable[[str], None]

_CONTEXT = CallContext(namespace={}, names=frozenset(), foreign=True)
_CODE = {"go": "func.go", "node": "func.js", "python": "func.py"}


class FolderFunction(Remote[..., Any]):
    """A project folder as a function. It is built and deployed as the folder is on the first call, and on
    :meth:`deploy`.

    It is called with one value, or with keywords, and sent them as JSON; ``bytes`` go as they are. What it
    answers comes back as what the JSON holds, else as text or bytes.
    """

    def __init__(
        self,
        folder: Path,
        spec: FunctionSpec,
        *,
        how: Building = USUAL,
        say: Say | None = None,
        session: Session | None = None,
    ) -> None:
        super().__init__(spec, session)
        self.folder = folder
        self.how = how
        self.retries = Retries()
        self.__name__ = spec.name
        self.__signature__ = None
        self.__wrapped__ = self._only_remote
        self.__doc__ = f"The function {spec.name} of {folder}."
        self._say = say

    @property
    def runtime(self) -> str:
        """What ``func.yaml`` says that it is in."""
        return projects.find_func_file(self.folder).runtime

    @property
    def source(self) -> str:
        """The text of its code, where that is one file. Raises BadInput if it is not."""
        runtime = self.runtime
        name = next((file for language, file in _CODE.items() if runtime.startswith(language)), "func.py")
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise BadInput(
                f"the code of {self.spec.name!r} is no one file", hint=f"see {self.folder}"
            ) from None

    def deploy(self, *, force: bool = False, progress: Progress | None = None) -> FolderFunction:
        """Build and deploy the folder as it is now; with ``force`` Docker builds each step anew.

        Raises:
            BadInput, BuildFailed, ImageError, StateError, ExecutorError, TargetError: as
                :func:`nbfn.verbs.building.deploy_folder`.
        """
        with self._deploying:
            self._deploy(force=force, progress=progress)
        return self

    def export(
        self, folder: str | Path, *, force: bool = False, build_image: str = "", run_image: str = ""
    ) -> projects.Exported:
        """Copy its folder, as it is now; the images are those of its ``func.yaml``.

        Raises:
            BadInput: there is something in the folder (``force`` writes over it), or an image was given.
            StateError: it cannot be written.
        """
        if build_image or run_image:
            raise BadInput(
                f"{self.spec.name!r} is a folder already", hint=f"its images are named in {self.folder}"
            )
        return projects.copy(projects.find_func_file(self.folder), Path(folder), force=force)

    def _deploy(
        self, *, force: bool = False, progress: Progress | None = None
    ) -> tuple[Deployment, CallContext]:
        __tracebackhide__ = True
        place = self.session.context
        function = projects.find_func_file(self.folder)
        how = replace(self.how, cache=False) if force else self.how
        with self._noted(), watched(self.session.watcher, self.spec.name, progress) as told:
            deployment = deploy_folder(
                self.session, function, self.spec, how=how, say=self._say, progress=told
            )
        return self._keep(deployment, _CONTEXT, place)

    def _as_it_was(self, deployment: Deployment) -> CallContext:
        return _CONTEXT

    def _only_remote(self, *_: object, **__: object) -> NoReturn:
        raise BadInput(f"{self.spec.name!r} is a folder, not a function of this process", hint="call it")


def load_folder(
    folder: str | Path,
    *,
    app: str | None = None,
    config: Mapping[str, str] | None = None,
    how: Building = USUAL,
    session: Session | None = None,
    say: Say | None = None,
) -> FolderFunction:
    """The function in a project folder, to be called; it is built and deployed on its first call.

    Name, limits and configuration are those of ``func.yaml``, and so is its application's (``app.yaml``, else
    ``NBFN_APP``) unless ``app`` is given. ``config`` adds to its configuration, ``say`` is told the steps of
    its build.

    Raises:
        BadInput: there is no function in the folder, or it cannot be.
    """
    from nbfn import session as sessions

    place = Path(folder)
    function = projects.find_func_file(place)
    how.way(function)
    check_own(function)
    about = projects.find_app_file(place)
    named = app or (about.name if about else "") or (session or sessions.current()).settings.app
    spec = FunctionSpec(
        name=function.name,
        app=named,
        limits=_limits(function),
        config={**{key: value for key, value in function.config.items() if value}, **(config or {})},
        scale=Scale.of(function.annotations),
    )
    return FolderFunction(place.absolute(), spec, how=how, say=say, session=session)


def deploy_cell(
    name: str,
    runtime: str,
    source: str,
    *,
    app: str | None = None,
    memory: int | None = None,
    timeout: int | None = None,
    idle_timeout: int | None = None,
    min_instances: int | None = None,
    max_instances: int | None = None,
    config: Mapping[str, str] | None = None,
    requires: Sequence[str] = (),
    build_image: str = "",
    run_image: str = "",
    how: Building = USUAL,
    session: Session | None = None,
    say: Say | None = None,
    progress: Progress | None = None,
) -> FolderFunction:
    """Deploy code in Go or Node: what ``%%fn_deploy NAME --runtime go`` does with its cell.

    The code is that of a whole ``func.go`` or ``func.js`` that uses Fn's FDK; its folder is kept below
    ``STATE/cells``. Docker builds it.

    Args:
        name: what it is deployed as.
        runtime: ``go`` or ``node``, maybe with a version (``node22``).
        source: the code.
        app, memory, timeout, idle_timeout, min_instances, max_instances, config: as of :func:`nbfn.function`.
        requires: packages of the language beside the FDK: ``PATH@VERSION`` for Go, ``NAME@VERSION`` for Node.
        build_image: what builds it, instead of Fn's image for the runtime.
        run_image: what runs it, likewise.
        how: how Docker builds it.
        session: where it goes; the current one.
        say: is told the steps of its build.
        progress: is told how many of them are done (``build``), and what :meth:`Session.deploy` tells.

    Raises:
        BadInput: a name, limit, runtime or package that cannot be.
        BuildFailed: a step of its build failed: with the compiler's words.
        ImageError, StateError, ExecutorError, TargetError: as of :func:`nbfn.deploy`.
    """
    from nbfn import session as sessions

    ours = session or sessions.current()
    default = Limits()
    spec = FunctionSpec(
        name=name,
        app=app or ours.settings.app,
        limits=Limits(
            memory_mb=default.memory_mb if memory is None else memory,
            timeout_s=default.timeout_s if timeout is None else timeout,
            idle_timeout_s=default.idle_timeout_s if idle_timeout is None else idle_timeout,
        ),
        config=dict(config or {}),
        scale=Scale(min_instances or 0, max_instances),
    )
    cell = cells.Cell(name, runtime, source, tuple(requires), build_image, run_image)
    folder = ours.settings.state / "cells" / repository(spec.app, spec.name).removeprefix("nbfn.local/")
    cells.write(cell, folder)
    return FolderFunction(folder, spec, how=how, say=say, session=session).deploy(progress=progress)


def _limits(function: FuncFile) -> Limits:
    default = Limits()
    return Limits(
        memory_mb=function.memory or default.memory_mb,
        timeout_s=function.timeout or default.timeout_s,
        idle_timeout_s=function.idle_timeout or default.idle_timeout_s,
    )
