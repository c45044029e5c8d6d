"""A project folder becomes an image that the context's server can read: built here or by Docker."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nbfn import containerize, projects
from nbfn.containerize import Built, BuiltLayer
from nbfn.containerize.host import HOST_LABEL
from nbfn.containerize.image import digest_of
from nbfn.containerize.recipe import repository
from nbfn.delivery import HOST
from nbfn.errors import BadInput, ImageError, NbfnError
from nbfn.spec import FunctionSpec, ImageRef
from nbfn.verbs.progress import Pushing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbfn.containerize.buildlog import Line
    from nbfn.projects import FuncFile
    from nbfn.session import Session
    from nbfn.spec import Deployment, Progress

    Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Building:
    """How a folder is built, as far as there is a choice."""

    docker: bool = False
    """By Docker although it could be built without."""
    cache: bool = True
    """False: Docker builds each step anew."""
    args: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Build arguments for Docker."""
    local: bool = False
    """Push nothing: the server reads from this machine's Docker what that has built."""
    verbose: bool = False
    """Tell all that a build writes, not only its steps."""
    base: str = ""
    """What a Python function is built on, instead of ``host``, or of the base that it was exported from."""

    def way(self, function: FuncFile) -> projects.Way:
        """Raises BadInput if the folder cannot be built, or not on ``base``."""
        way = projects.way_of(function)
        if way == "pre-built":
            return way
        if self.docker:
            projects.dockerfile_of(function)
            way = "docker"
        if way == "docker" and self.base:
            raise BadInput(
                f"{function.name!r} is built by Docker, and base {self.base!r} is for what nbfn builds",
                hint="what Docker builds it on is run_image in func.yaml, or FROM in its Dockerfile",
            )
        return way

    def on(self, function: FuncFile) -> str:
        """The base of a function that is built here."""
        return self.base or projects.base_of(function.folder) or HOST


USUAL = Building()


def build_folder(
    session: Session,
    function: FuncFile,
    app: str,
    how: Building = USUAL,
    say: Say | None = None,
    progress: Progress | None = None,
    tag: str = "",
) -> Built:
    """Build ``function`` for the application ``app``, into the images of this machine; ``tag`` is what Docker
    calls it, instead of its version.

    ``progress`` is told ``build``, and how many of how many steps are done.

    Raises:
        BadInput, LimitError, RequirementError: the folder cannot be built as it is.
        BuildFailed: a step of its build failed.
        ImageError: there is no Docker to build it, or it went away.
        StateError: the image cannot be written.
    """
    tell = _teller(say, progress, verbose=how.verbose)
    way = how.way(function)
    check_own(function)
    projects.run_commands(function, tell)
    if way == "here":
        spec = FunctionSpec(name=function.name, app=app, base=_base_there(session, function, how))
        taken = projects.capture_folder(function, fetch=spec.base != HOST)
        return containerize.build(spec, taken, session.layout, progress=progress, settings=session.settings)
    began = time.perf_counter()
    image = projects.build_by_docker(
        function,
        session.layout,
        tag=_docker_name(session, function, tag),
        args=how.args,
        cache=how.cache,
        engine=session.context.engine,
        on_line=tell,
    )
    if progress is not None:
        progress("build", 1, 1)
    ref = session.layout.put(image, repository(app, function.name))
    layers = tuple(
        BuiltLayer(layer.descriptor.digest, layer.descriptor.size, False, layer.what)
        for layer in image.layers
    )
    return Built(ref, layers, (), (time.perf_counter() - began) * 1000)


def deploy_folder(
    session: Session,
    function: FuncFile,
    spec: FunctionSpec,
    *,
    tag: str = "",
    how: Building = USUAL,
    say: Say | None = None,
    progress: Progress | None = None,
) -> Deployment:
    """Build ``function`` and make the server hold it as ``spec``; ``tag`` is the version in its image's name.

    ``progress`` is told how far it is, as by :func:`build_folder` and :meth:`nbfn.session.Session.deploy`;
    without it ``say`` is told of what goes to a registry.

    What Docker has built goes to a server that is elsewhere through the context's registry, unless ``how``
    is local.

    Raises:
        BadInput, LimitError, RequirementError, BuildFailed, ImageError, StateError: as :func:`build_folder`.
        ImageError: there is no registry that the server could read it from, or it refused.
        ExecutorError, TargetError: the server cannot be reached, or refused.
    """
    check_own(function)
    if how.way(function) == "here":
        projects.run_commands(function, _teller(say, progress, verbose=how.verbose))
        spec = replace(spec, base=how.on(function))
        route = session.check_reach(function.name, spec.base)
        if how.local and route.way == "push":
            raise BadInput(
                f"{function.name!r} is built without Docker, and the server of context "
                f"{session.context.name!r} can read it from a registry alone",
                hint="leave --local out; or add --docker, if that server has this machine's Docker",
            )
        elsewhere = route.base != HOST
        taken = projects.capture_folder(function, fetch=elsewhere)
        return session.deploy(spec, taken, force=not how.cache, tag=tag, progress=progress or _pushing(say))
    session.check(spec)
    built = build_folder(session, function, spec.app, how, say, progress, tag)
    image = session.layout.get(built.image)
    fingerprint = digest_of(image.config_bytes)
    if session.context.is_local or session.server.own:
        return session.deploy_image(spec, built.image, fingerprint, tag=tag)
    # Which it is for is its Dockerfile's affair, and known only now.
    session.server.check_architecture(spec.app, str(image.config.get("architecture") or ""))
    if how.local:
        return session.deploy_image(spec, ImageRef.parse(_docker_name(session, function, tag)), fingerprint)
    pushed = push_image(session, function, built.image, tag, say, progress)
    return session.deploy_image(spec, pushed, fingerprint)


def find_built(session: Session, function: FuncFile) -> ImageRef:
    """The image that was last built of a folder, for whichever application.

    Raises:
        BadInput: it is a pre-built function, which has none.
        ImageError: there is none, there are several, or it runs on this machine alone.
    """
    check_own(function)
    layout, name = session.layout, _last_part(function)
    found = {
        known: digest
        for known, digest in layout.refs().items()
        if known.startswith("nbfn.local/") and known.endswith(f"/{name}:latest")
    }
    own = f"{repository(session.settings.app, function.name)}:latest"
    digests = {found[own]} if own in found else set(found.values())
    if len(digests) != 1:
        what = f"{len(digests)} images, of several applications" if digests else "no image yet"
        raise ImageError(f"{function.name!r} has {what}", hint="`nbfn build` builds one; then push it")
    ref = ImageRef("", digest=digests.pop())
    if HOST_LABEL in layout.get(ref).labels:
        raise ImageError(
            f"{function.name!r} is built for this machine's Python: not pushed, it would run nowhere else",
            hint="`nbfn build --base fn` or `nbfn build --docker` builds it to run anywhere; or deploy to "
            "this machine's executor",
        )
    return ref


def push_image(
    session: Session,
    function: FuncFile,
    image: ImageRef,
    tag: str,
    say: Say | None = None,
    progress: Progress | None = None,
) -> ImageRef:
    """Send a function's image to the context's registry, as ``REGISTRY/NAME:TAG``.

    Raises:
        ImageError: the context has no registry, or it cannot be reached or refused.
    """
    if not session.context.registry:
        raise ImageError(
            f"{function.name!r} has no registry to go to: context {session.context.name!r} names none",
            hint="`nbfn update context registry HOST/NAME`, or --registry",
        )
    where = session.context.image_name(_last_part(function), tag or "latest")
    session.server.prepare(where)
    pushed = containerize.publish(
        image, where, session.layout, settings=session.settings, progress=progress or _pushing(say)
    )
    return replace(pushed, tag=tag or "latest")


def check_own(function: FuncFile) -> None:
    """Return if the folder has code of its own. Raises BadInput: it names a pre-built function of OCI's."""
    if function.pre_built:
        raise BadInput(
            f"{function.name!r} is a pre-built function of OCI's: there is nothing to build or push",
            hint="`nbfn deploy` makes it as it is, in a context of OCI",
        )


def _base_there(session: Session, function: FuncFile, how: Building) -> str:
    """What deploying it to the context's server would build it on."""
    base = how.on(function)
    with contextlib.suppress(NbfnError):  # no way there: it is built for this machine, which needs none
        return session.check_reach(function.name, base).base
    return base


def _last_part(function: FuncFile) -> str:
    """Its name, fit to name an image."""
    return repository("-", function.name).rpartition("/")[2]


def _docker_name(session: Session, function: FuncFile, tag: str) -> str:
    """What ``docker images`` shows it as: the Fn CLI's name for it, ``[REGISTRY/]NAME:VERSION``."""
    version = tag or (function.version or "latest").replace("+", "-")
    return session.context.image_name(_last_part(function), version)


def _pushing(say: Say | None) -> Pushing | None:
    return Pushing(say) if say is not None else None


def _teller(say: Say | None, progress: Progress | None, *, verbose: bool) -> Callable[[Line], None]:
    def tell(line: Line) -> None:
        if progress is not None and line.kind == "step":
            progress("build", line.number - 1, line.total)  # it begins: those before it are done
        if say is not None and (verbose or line.kind != "output"):
            say(line.text if line.kind == "step" else f"    {line.text}")

    return tell
