"""Project folders from Python: make one, build it, deploy it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbfn import failures, projects
from nbfn import session as sessions
from nbfn.errors import BadInput, NbfnError, NotFound
from nbfn.runtime.wire import KEY_VARIABLE
from nbfn.scale import MAX_ANNOTATION, MIN_ANNOTATION, Scale
from nbfn.spec import FunctionSpec, Limits
from nbfn.verbs.building import USUAL, build_folder, deploy_folder, find_built, push_image
from nbfn.verbs.oracle import check_prebuilt, deploy_prebuilt
from nbfn.verbs.project_triggers import check_triggers, put_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nbfn.containerize import Built
    from nbfn.deploy.control import Object
    from nbfn.projects import FuncFile
    from nbfn.projects.version import Part
    from nbfn.session import Session
    from nbfn.spec import ImageRef
    from nbfn.verbs.building import Building

    Say = Callable[[str], None]

init_project = projects.init
migrate_project = projects.migrate

_ALL = "`nbfn deploy --all` (nbfn.deploy_all) deploys every function below a folder with an app.yaml"
# What Fn takes if nobody says.
_FN_LIMITS = Limits(memory_mb=128, timeout_s=30, idle_timeout_s=30)


@dataclass(frozen=True, slots=True)
class Deployed:
    """A project that was deployed."""

    app: str
    name: str
    version: str
    image: ImageRef | None
    """None: it is of the pre-built function ``listing``, and there is no image of its own."""
    changed: bool
    """False if the server had exactly this."""
    listing: str = ""
    """The pre-built function of OCI's that ``deploy.oci.pbf`` names."""


def bump_project(folder: str | Path = ".", part: Part = "patch") -> str:
    """Raise the version in a folder's ``func.yaml``, and change nothing else in it; tells the new one.

    Raises:
        BadInput: there is no such file, or it cannot be understood.
        StateError: it cannot be written.
    """
    function = projects.find_func_file(Path(folder))
    function.set_version(function.next_version(part))
    return function.version


def build_project(
    folder: str | Path = ".",
    *,
    how: Building = USUAL,
    session: Session | None = None,
    say: Say | None = None,
) -> Built:
    """Build the image of a project folder, into the images of this machine.

    Python functions are built here; what has a Dockerfile, and go, node and java, by Docker. ``say`` is told
    the steps.

    Raises:
        BadInput, LimitError, RequirementError: the folder cannot be built as it is.
        BuildFailed: a step of its build failed.
        ImageError: there is no Docker to build it, or it went away.
        StateError: it cannot be written.
    """
    ours = session or sessions.current()
    function = projects.find_func_file(Path(folder))
    return build_folder(ours, function, ours.settings.app, how, say)


def push_project(
    folder: str | Path = ".", *, session: Session | None = None, say: Say | None = None
) -> ImageRef:
    """Send the image that was built of a project folder to the context's registry, as ``NAME:VERSION``.

    Raises:
        BadInput: it is a pre-built function, which has no image.
        ImageError: it is not built, is for this machine's own Python, or the registry refused.
    """
    ours = session or sessions.current()
    function = projects.find_func_file(Path(folder))
    built = find_built(ours, function)
    pushed = push_image(ours, function, built, function.version.replace("+", "-"))
    if say is not None:
        say(f"Pushed {pushed}")
    return pushed


def deploy_project(
    folder: str | Path = ".",
    app: str = "",
    *,
    create_app: bool = False,
    bump: bool = True,
    how: Building = USUAL,
    session: Session | None = None,
    say: Say | None = None,
) -> Deployed:
    """Build a project folder, make the server hold it, with its triggers, and then bump its version.

    The application is ``app``, or that of the folder's ``app.yaml``. The version in ``func.yaml`` changes
    only when all of it has succeeded. ``say`` is told what is being done; ``how`` says how it is built.
    What names a pre-built function of OCI's (``deploy.oci.pbf``) is made of that, and nothing is built.

    Raises:
        NotFound: there is no such application, and ``create_app`` is False.
        BadInput, ImageError, StateError: it cannot be built, or not be run there.
        ExecutorError, TargetError: the server cannot be reached, or refused.
    """
    place, ours = Path(folder), session or sessions.current()
    with _read_of(ours, app, place):
        about = projects.find_app_file(place)
    named = app or (about.name if about else "")
    with _read_of(ours, named, place):
        function = projects.find_func_file(place, instead=_ALL if about else "")
    with failures.noted(ours.settings.state, "deploy", (ours.context.name, named, function.name)):
        held = _application(ours, app, about, create=create_app, check=[function], how=how)
        return _deploy(ours, function, held, bump=bump, how=how, say=say)


def deploy_all(
    folder: str | Path = ".",
    app: str = "",
    *,
    create_app: bool = False,
    bump: bool = True,
    how: Building = USUAL,
    session: Session | None = None,
    say: Say | None = None,
) -> Sequence[Deployed]:
    """:func:`deploy_project` for every function in and below a folder with an ``app.yaml``.

    A function without a name of its own has that of its path (``a/b`` → ``a-b``). All of them are read
    before the first one is deployed.
    """
    root = Path(folder)
    about = projects.find_app_file(root)
    if about is None:
        raise BadInput(
            f"{root.absolute()} has no app.yaml",
            hint="write one with 'name: APP', or deploy one function at a time",
        )
    ours, found = session or sessions.current(), []
    for file in projects.func_files(root):
        with _read_of(ours, app or about.name, file):
            found.append(projects.FuncFile(file))
    if not found:
        raise BadInput(f"there is no func.yaml in or below {root.absolute()}")
    for function in found:
        path = function.folder.relative_to(root)
        if not function.has_own_name and path.parts:
            function.name = "-".join(path.parts)
    held = _application(ours, app, about, create=create_app, check=found, how=how)
    deployed = []
    for function in found:
        with failures.noted(ours.settings.state, "deploy", (ours.context.name, held["name"], function.name)):
            deployed.append(_deploy(ours, function, held, bump=bump, how=how, say=say))
    return deployed


@contextlib.contextmanager
def _read_of(ours: Session, app: str, place: Path) -> Iterator[None]:
    """Around the reading of a function's files: what is wrong there is kept, for `nbfn doctor`."""
    try:
        yield
    except NbfnError as error:
        with contextlib.suppress(NbfnError):  # a context that cannot be understood is another matter
            about = ours.context.name, app, projects.guessed_name(place)
            failures.remember(ours.settings.state, "deploy", about, error)
        raise


def _application(
    ours: Session,
    app: str,
    about: projects.AppFile | None,
    *,
    create: bool,
    check: Sequence[FuncFile],
    how: Building,
) -> Object:
    """The application to deploy to, made or brought up to its file. Nothing is asked before all is read."""
    name = app or (about.name if about else "")
    if not name:
        raise BadInput("no application is named", hint="say --app APP, or write an app.yaml")
    for function in check:
        # Without a memory of its own it keeps that of the server, which decides what can be provisioned.
        told = _annotations(ours, function) if function.memory else {}
        scale = Scale.of(function.annotations)
        limits = _limits(function, {})
        spec = FunctionSpec(name=function.name, app=name, limits=limits, scale=scale, annotations=told)
        if ours.context.is_oracle:
            ours.check(spec)
        match how.way(function):
            case "here":
                ours.check_reach(function.name, how.on(function))
            case "pre-built":
                check_prebuilt(ours)
    body: dict[str, Any] = about.body if about else {}
    apps = ours.control.apps
    held = apps.find(name)
    check_triggers(ours, check, held)
    if held is None and not create:
        raise NotFound(
            f"{ours.control.where} has no application {name!r}",
            hint=f"`nbfn create app {name}` makes it, and so does --create-app",
            status=404,
        )
    if held is None:
        return apps.create({"name": name, **body})
    return apps.update(held["id"], body) if body else held


def _deploy(
    ours: Session, function: FuncFile, app: Object, *, bump: bool, how: Building, say: Say | None
) -> Deployed:
    tell = say or (lambda _: None)
    tell(f"Deploying {function.name} to app: {app['name']}")
    version = function.next_version() if bump else function.version
    control = ours.control
    there = control.functions.find(function.name, app_id=app["id"])
    if function.pre_built:
        tell(f"Updating function {function.name} using pre-built function {function.pre_built}...")
        _, changed = deploy_prebuilt(
            app,
            function.name,
            function.pre_built,
            held=there,
            memory=function.memory,
            timeout=function.timeout,
            config=function.config,
            annotations=_annotations(ours, function),
            session=ours,
        )
        _bumped(function, version, bump=bump, tell=tell)
        return Deployed(app["name"], function.name, version, None, changed, function.pre_built)
    if function.oci and not ours.context.is_oracle:
        tell(f"deploy.oci of {function.path.name}: only OCI Functions has that; left out")
    held: Object = there or {}
    config = {key: value for key, value in (held.get("config") or {}).items() if key != KEY_VARIABLE}
    spec = FunctionSpec(
        name=function.name,
        app=app["name"],
        limits=_limits(function, held),
        config={**config, **{key: value for key, value in function.config.items() if value}},
        scale=Scale.of({**(held.get("annotations") or {}), **function.annotations}),
        annotations=_annotations(ours, function),
    )
    tag = version.replace("+", "-")
    deployment = deploy_folder(ours, function, spec, tag=tag, how=how, say=say)
    image = deployment.image
    tell(f"Updating function {function.name} using image {image.repository}:{image.tag or image.short}...")
    if function.annotations and not ours.context.is_oracle:  # OCI has had them with the function
        control.functions.update(deployment.fn_id, {"annotations": dict(function.annotations)})
    for trigger in function.triggers:
        url, is_new = put_trigger(ours, trigger, deployment.app_id, deployment.fn_id)
        tell(f"{'Successfully created trigger' if is_new else 'Trigger'}: {trigger.name}")
        tell(f"Trigger Endpoint: {url or trigger.source}")
    _bumped(function, version, bump=bump, tell=tell)
    return Deployed(app["name"], function.name, version, deployment.image, deployment.changed)


def _bumped(function: FuncFile, version: str, *, bump: bool, tell: Say) -> None:
    if bump:
        function.set_version(version)
        tell(f"Bumped to version {version}")


def _annotations(ours: Session, function: FuncFile) -> dict[str, Any]:
    """What OCI is told with the function itself; other servers know nothing of ``deploy.oci``."""
    if not ours.context.is_oracle:
        return {}
    told = {**function.annotations, **function.oci}
    # Its numbers of instances are in the function's scale, and refused as such.
    return {name: note for name, note in told.items() if name not in (MIN_ANNOTATION, MAX_ANNOTATION)}


def _limits(function: FuncFile, held: Object) -> Limits:
    """What func.yaml says, else what the server has, else what Fn takes."""
    default = _FN_LIMITS
    return Limits(
        memory_mb=function.memory or held.get("memory") or default.memory_mb,
        timeout_s=function.timeout or held.get("timeout") or default.timeout_s,
        idle_timeout_s=function.idle_timeout or held.get("idle_timeout") or default.idle_timeout_s,
    )
