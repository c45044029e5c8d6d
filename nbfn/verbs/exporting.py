"""A deployed function becomes a project folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbfn import projects
from nbfn import session as sessions
from nbfn.containerize.recipe import repository
from nbfn.errors import BadInput
from nbfn.remote import Remote
from nbfn.spec import ImageRef, Limits

if TYPE_CHECKING:
    from nbfn.projects import Exported
    from nbfn.session import Session


def export(
    function: Remote[..., Any] | str,
    folder: str | Path,
    *,
    app: str | None = None,
    force: bool = False,
    build_image: str = "",
    run_image: str = "",
    session: Session | None = None,
) -> Exported:
    """Write a deployed function as a project folder, which the Fn CLI, Docker and nbfn can deploy.

    The folder has ``func.yaml``, ``func.py`` as it was captured, its data, ``requirements.txt``, nbfn's
    runtime and a Dockerfile. Secrets are named in it, not written.

    Args:
        function: a function, or the name of a deployed one: ``greet``, or ``app/greet``.
        folder: where to; it is made.
        app: the application of a name that has none; by default ``NBFN_APP``, or ``notebook``.
        force: write over what is there.
        build_image: what Docker installs its packages with, instead of Fn's image for its Python.
        run_image: what Docker builds it on, instead of Fn's image, or the base of the function.
        session: where the name is looked up; the current one.

    Raises:
        BadInput: there is something in the folder; or two applications are named.
        NotFound: there is no such function.
        ImageError: its image is not here, or not of Python code.
        StateError, ExecutorError, TargetError: the folder cannot be written, the server not be asked.
    """
    if isinstance(function, Remote):
        return function.export(folder, force=force, build_image=build_image, run_image=run_image)
    ours, place = session or sessions.current(), Path(folder)
    of, _, function = function.rpartition("/")
    if of and app and of != app:
        raise BadInput(f"{of}/{function} is not in the application {app!r}", hint="say one of the two")
    named = of or app or ours.settings.app
    held = ours.ask(lambda target: target.inspect(named, function))
    cell = ours.settings.state / "cells" / repository(named, function).removeprefix("nbfn.local/")
    if (cell / "func.yaml").is_file():
        return projects.copy(projects.find_func_file(cell), place, force=force)
    idle_s = held.idle_timeout_s or Limits().idle_timeout_s  # OCI's own affair, which it does not tell
    limits = Limits(held.memory_mb, held.timeout_s, idle_s)
    about = projects.Export(function, limits, held.config, build_image, run_image)
    if digest := projects.archive_digest(held.image):
        data = projects.kept(ours.settings.state, named, function, digest)
        return projects.export_archive(data, about, place, force=force)
    image = ours.layout.get(ImageRef.parse(held.image))
    return projects.export(image, about, place, force=force)
