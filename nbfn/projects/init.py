"""``nbfn init``: a new function's folder, written without a network (but for an init image's)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbfn import yamlfile
from nbfn.errors import BadInput, NameRefused, StateError
from nbfn.projects import initimage
from nbfn.projects.boilerplate import RUNTIMES, Boilerplate, absent, find
from nbfn.projects.funcfile import NAMES, SCHEMA, FuncFile
from nbfn.projects.version import INITIAL, check_version
from nbfn.spec import Limits, check_function_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["RUNTIMES", "init"]

# Which runtime a folder is of, by the file that is there already.
_BY_FILE = {"func.py": "python", "func.go": "go", "func.js": "node", "pom.xml": "java"}


def init(
    folder: Path,
    runtime: str = "",
    *,
    name: str = "",
    version: str = INITIAL,
    trigger: str = "",
    entrypoint: str = "",
    cmd: str = "",
    memory: int | None = None,
    timeout: int | None = None,
    idle_timeout: int | None = None,
    config: Mapping[str, str] | None = None,
    annotations: Mapping[str, Any] | None = None,
    oci: Mapping[str, Any] | None = None,
    init_image: str = "",
    pbf: str = "",
    force: bool = False,
) -> FuncFile:
    """Make ``folder`` (if need be) a function: ``func.yaml``, and the runtime's files unless they are there.

    Without a ``runtime``, the folder's own files say it; a Dockerfile means ``docker``. An ``init_image``
    is run by Docker and gives files and runtime instead, and ``pbf`` is the id of a pre-built function of
    OCI's, which needs none. ``oci`` is ``deploy.oci``, for OCI Functions.
    ``force`` overwrites ``func.yaml``, never code but an init image's.

    Raises:
        BadInput: a runtime, name, version or trigger that cannot be; or there is a func.yaml already.
        ImageError: there is no Docker, or no such init image, or it failed.
        LimitError: memory or a timeout out of range.
        StateError: the folder cannot be written.
    """
    named = _check_name((name or folder.absolute().name).lower())
    check_version(version)
    _check_limits(memory, timeout, idle_timeout)
    if trigger not in ("", "http"):
        raise BadInput(f"trigger is {trigger!r}", hint="the only type of trigger is http")
    present = next((each for each in NAMES if (folder / each).exists()), None)
    if present and not force:
        raise BadInput(f"{folder / present} is there already", hint="--force overwrites it")
    if init_image and runtime:
        raise BadInput("a runtime and an init image are given", hint="the image says the runtime: give one")
    told = {
        "a runtime": runtime,
        "an init image": init_image,
        "code": entrypoint or cmd,
        "a trigger": trigger,
    }
    if pbf and (too := [what for what, value in told.items() if value]):
        raise BadInput(
            f"a pre-built function and {too[0]} are given", hint="OCI has built it already: leave that out"
        )
    template = initimage.ask(init_image, named) if init_image else None
    runtime, boilerplate = ("", Boilerplate("", "")) if template or pbf else _runtime(folder, runtime)
    oci = {**(oci or {}), **({"pbf": {"listing_id": pbf}} if pbf else {})}
    given: dict[str, Any] = dict(template.about) if template else _given(runtime, boilerplate)
    about: dict[str, Any] = {
        "schema_version": SCHEMA,
        "name": named,
        "version": version,
        **given,
        "cmd": cmd or given.get("cmd"),
        "entrypoint": entrypoint or given.get("entrypoint"),
        "memory": memory or boilerplate.memory,
        "timeout": timeout,
        "idle_timeout": idle_timeout,
        "config": dict(config or {}),
        "annotations": dict(annotations or {}),
        "triggers": [{"name": f"{named}-trigger", "type": "http", "source": f"/{named}-trigger"}]
        if trigger
        else [],
        "deploy": _with_oci(given.get("deploy"), oci),
    }
    text = yamlfile.dump({key: value for key, value in about.items() if value})
    target = folder / (present if present and present != "func.json" else "func.yaml")
    if template:
        template.write(folder, force=force)
    try:
        for file, content in boilerplate.files.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_text(content)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"{folder} cannot be written: {error.strerror}") from error
    yamlfile.write_text(target, text)
    return FuncFile(target)


def _given(runtime: str, boilerplate: Boilerplate) -> dict[str, Any]:
    """What a runtime has in ``func.yaml``."""
    return {
        "runtime": runtime,
        "build_image": boilerplate.build_image,
        "run_image": boilerplate.run_image,
        "cmd": boilerplate.cmd,
        "entrypoint": boilerplate.entrypoint,
    }


def _with_oci(deploy: object, oci: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = dict(deploy) if isinstance(deploy, dict) else {}
    return {**told, "oci": {**told.get("oci", {}), **oci}} if oci else told


def _runtime(folder: Path, runtime: str) -> tuple[str, Boilerplate]:
    if (folder / "Dockerfile").exists():
        return "docker", Boilerplate("", "")
    if runtime == "docker":
        raise BadInput(
            f"{folder.absolute()} has no Dockerfile, which runtime docker builds", hint="write one first"
        )
    if not runtime:
        runtime = next((known for file, known in _BY_FILE.items() if (folder / file).exists()), "")
    if not runtime:
        raise BadInput(
            f"what {folder.absolute()} is written in cannot be told",
            hint=f"--runtime is one of: {', '.join(RUNTIMES)}",
        )
    found = find(runtime)
    if found is None:
        raise absent(runtime, f"use one of: {', '.join(RUNTIMES)}")
    return runtime, found


def _check_name(name: str) -> str:
    check_function_name(name)
    if ":" in name:
        raise NameRefused(f"{name!r} cannot name an image", hint="leave the colon out")
    return name


def _check_limits(memory: int | None, timeout: int | None, idle_timeout: int | None) -> None:
    default = Limits()
    Limits(
        default.memory_mb if memory is None else memory,
        default.timeout_s if timeout is None else timeout,
        default.idle_timeout_s if idle_timeout is None else idle_timeout,
    )
