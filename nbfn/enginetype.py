"""Which program builds and runs containers for this user: ``docker`` or ``podman``, as the Fn CLI is told.

``FN_CONTAINER_ENGINETYPE`` says it, else ``container-enginetype`` in the context's file or in
``~/.fn/config.yaml``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nbfn import config, yamlfile
from nbfn.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    EngineType = Literal["docker", "podman"]

KEY = "container-enginetype"
VARIABLE = "FN_CONTAINER_ENGINETYPE"
DOCKER: EngineType = "docker"
PODMAN: EngineType = "podman"


def fn_folder(environ: Mapping[str, str], home: Path | None = None) -> Path:
    """Where the Fn CLI keeps its files, below ``home`` (default: the user's home folder)."""
    return (home or Path(environ.get("HOME") or Path.home())) / ".fn"


def engine_type(of_context: str = "", environ: Mapping[str, str] | None = None) -> EngineType:
    """The engine that is asked for; ``of_context`` is what the context's file says, if it says any.

    Raises:
        BadInput: there is no such engine, or the file cannot be understood.
        StateError: it cannot be read.
    """
    env = config.variables() if environ is None else environ
    if env.get(VARIABLE):
        return _checked(env[VARIABLE], VARIABLE)
    if of_context:
        return _checked(of_context, f"{KEY} of the context")
    path = fn_folder(env) / "config.yaml"
    try:
        document = yamlfile.read(path)
    except (FileNotFoundError, NotADirectoryError):
        return DOCKER
    return _checked(document.text(KEY) or DOCKER, f"{document.where(KEY)}: {KEY}")


def _checked(name: str, where: str) -> EngineType:
    if name == DOCKER:
        return DOCKER
    if name == PODMAN:
        return PODMAN
    raise BadInput(f"{where} is {name!r}", hint=f"use one of: {DOCKER}, {PODMAN}")
