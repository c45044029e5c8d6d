"""How a project folder becomes an image: built here, in process, or by Docker."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Literal

from nbfn import config
from nbfn.containerize import dockerbuild
from nbfn.containerize.buildlog import LAST_LINES, Line
from nbfn.errors import BuildFailed
from nbfn.projects.dockerfile import generate
from nbfn.projects.exported import is_for_here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from nbfn.containerize import Image, Layout
    from nbfn.projects.funcfile import FuncFile

    OnLine = Callable[[Line], None]

Way = Literal["here", "docker", "pre-built"]
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY")


def way_of(function: FuncFile) -> Way:
    """``pre-built`` for what OCI has built already; ``here`` for a Python function without a Dockerfile, or
    as nbfn exported it; else ``docker``.

    Raises:
        BadInput: neither can build it: an unknown runtime, a missing file.
    """
    if function.pre_built:
        return "pre-built"
    if function.runtime.startswith("python") and not function.own_dockerfile:
        return "here"
    if is_for_here(function.folder):
        return "here"
    dockerfile_of(function)
    return "docker"


def dockerfile_of(function: FuncFile) -> str:
    """The folder's own Dockerfile's text, or what is generated for its runtime.

    Raises:
        BadInput: as :func:`nbfn.projects.dockerfile.generate`.
    """
    if function.own_dockerfile:
        return (function.folder / "Dockerfile").read_text(encoding="utf-8", errors="replace")
    present = frozenset(path.name for path in function.folder.iterdir())
    return generate(function, present, config.variables(), config.load().fn_images)


def build_by_docker(
    function: FuncFile,
    layout: Layout,
    *,
    tag: str = "",
    args: Mapping[str, str] | None = None,
    cache: bool = True,
    url: str | None = None,
    engine: str = "",
    on_line: OnLine | None = None,
) -> Image:
    """Have Docker (or Podman) build the folder; the image is then in ``layout``.

    ``tag`` is the name that it shall be given there, ``args`` are build arguments, ``engine`` is what the
    context's file says of who builds.

    Raises:
        BadInput, BuildFailed, ImageError, StateError: as :func:`nbfn.containerize.dockerbuild.build`.
    """
    environ = config.variables()
    proxies = {name: environ[name] for name in _PROXIES if environ.get(name)}
    wanted = dockerbuild.Wanted(
        name=function.name,
        folder=function.folder,
        dockerfile="" if function.own_dockerfile else dockerfile_of(function),
        tag=tag,
        args={**proxies, **(args or {})},
        cache=cache,
        url=url,
        engine=engine,
    )
    return dockerbuild.build(wanted, layout, on_line=on_line)


def run_commands(function: FuncFile, on_line: OnLine | None = None) -> None:
    """Run what ``func.yaml`` has under ``build``, in its folder, as the Fn CLI does before it builds.

    Raises:
        BuildFailed: one of them failed; the others did not run.
    """
    for number, command in enumerate(function.build, 1):
        step = f"command {number}/{len(function.build)} `{command}`"
        if on_line:
            on_line(
                Line(
                    f"Command {number}/{len(function.build)}: {command}", "step", number, len(function.build)
                )
            )
        lines: list[str] = []
        with _running(command, function.folder) as process:
            for text in process.stdout or ():
                lines.append(text.rstrip())
                if on_line:
                    on_line(Line(text.rstrip(), "output"))
        if process.returncode:
            output = tuple(lines[-LAST_LINES:])
            said = f"the build of {function.name!r}: {step} ended with exit code {process.returncode}"
            raise BuildFailed(
                "\n    ".join((said, *output)),
                hint=f"it is in {function.where('build', number - 1)}",
                step=step,
                output=output,
                code=process.returncode,
            )


@contextlib.contextmanager
def _running(command: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A shell command, waited for; what it started ends with it if this is interrupted."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
        errors="replace",
    )
    with process:
        try:
            yield process
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
