"""IMAGE → PROJECT FOLDER: a deployed function as files that the stock Fn CLI builds and deploys.

The folder holds the function as its image does, and nbfn's runtime, which serves it: no FDK is needed, and
what it answers is what the image answers. Its Dockerfile needs nothing but a base with Python.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbfn.runtime
from nbfn import yamlfile
from nbfn.containerize.bases import BASE_LABEL
from nbfn.containerize.contents import function_files
from nbfn.containerize.describe import packages_in
from nbfn.containerize.parts import DEPENDENCIES
from nbfn.containerize.recipe import ENTRYPOINT, HANDLER_LABEL, USER, repository
from nbfn.errors import BadInput, ImageError, StateError
from nbfn.projects.boilerplate import find
from nbfn.projects.exported import BASE_KEY, DOCKERFILE_KEY, RUNTIME_FOLDER, UNCHANGED_KEY, as_captured
from nbfn.projects.funcfile import SCHEMA, FuncFile
from nbfn.projects.version import INITIAL
from nbfn.projects.zipped import Contents, read_archive
from nbfn.spec import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbfn.containerize import Image

# Of the kinds of places that a base can come from, those that Docker's FROM knows too.
_FROM_KNOWS = ("docker://", "docker-daemon:")
_OTHER_PLACES = ("oci:", "oci-archive:", "docker-archive:", "/", "./", "../", "~")
_IGNORED = ".*\nDockerfile\nfunc.yaml\n"


@dataclass(frozen=True, slots=True)
class Export:
    """A function, and what the folder shall say of it."""

    name: str
    limits: Limits = field(default_factory=Limits)
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Goes into ``func.yaml`` as it is, but what the image knows to be secret."""
    build_image: str = ""
    run_image: str = ""
    """What Docker builds on, instead of Fn's images of Python or the base of the function."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A folder that was written."""

    folder: Path
    name: str
    """In ``func.yaml``: the function's, made fit to name an image."""
    files: tuple[str, ...]
    missing: tuple[str, ...] = ()
    """Configuration whose values are secret, and so are not in the folder."""

    def __str__(self) -> str:
        lines = [f"{self.folder}: {len(self.files)} files, function {self.name}"]
        if self.missing:
            lines.append(f"  not in it, since they are secret: {', '.join(self.missing)}")
        return "\n".join(lines)


def export(image: Image, about: Export, folder: Path, *, force: bool = False) -> Exported:
    """Write the function in ``image`` into ``folder``, which is made; with ``force``, over what is there.

    Raises:
        BadInput: the folder holds something already; or the base cannot be named in a Dockerfile.
        ImageError: the image is none that nbfn made, or a layer is missing or damaged.
        StateError: the folder cannot be written.
    """
    if HANDLER_LABEL not in image.labels:
        raise ImageError(
            f"the image of {about.name!r} was not made of Python code by nbfn: nothing in it can be exported",
            hint="its project folder is the one that it was built from",
        )
    held = Contents(function_files(image), _requirements(image), image.labels.get(BASE_LABEL, ""))
    return _export(held, about, folder, force=force)


def _export(held: Contents, about: Export, folder: Path, *, force: bool) -> Exported:
    files = files_of(held, about)
    _write(files, folder, force=force)
    missing = tuple(json.loads(files["nbfn.json"]).get("secrets") or ())
    return Exported(folder, _fit(about.name), tuple(sorted(files)), missing)


def export_archive(data: bytes, about: Export, folder: Path, *, force: bool = False) -> Exported:
    """The same from the archive that went to OCI Functions as code alone. Raises as :func:`export`."""
    return _export(read_archive(data), about, folder, force=force)


def copy(function: FuncFile, folder: Path, *, force: bool = False) -> Exported:
    """A function that is a project folder, in another one. Raises as :func:`export`."""
    files = {
        path.relative_to(function.folder).as_posix(): path.read_bytes()
        for path in sorted(function.folder.rglob("*"))
        if path.is_file() and not {".git", "__pycache__", "node_modules"}.intersection(path.parts)
    }
    _write(files, folder, force=force)
    return Exported(folder, function.name, tuple(files))


def files_of(held: Contents, about: Export) -> Mapping[str, bytes]:
    """Each file of the folder, by its path there. Raises as :func:`export`."""
    inside, requirements = held.files, held.requirements
    entry: dict[str, Any] = json.loads(inside["nbfn.json"])
    dockerfile = _dockerfile(about, str(entry["python"]), held.base, requirements)
    if held.base:
        entry[BASE_KEY] = held.base
    beside = {path: data for path, data in inside.items() if path not in ("func.py", "nbfn.json")}
    taken = as_captured(entry, inside["func.py"].decode(), beside, requirements)
    entry[UNCHANGED_KEY] = taken.fingerprint
    entry[DOCKERFILE_KEY] = hashlib.sha256(dockerfile.encode()).hexdigest()
    texts = {
        "func.yaml": yamlfile.dump(_func_yaml(about, entry.get("secrets") or ())),
        "requirements.txt": "".join(f"{each}\n" for each in requirements),
        "Dockerfile": dockerfile,
        ".dockerignore": _IGNORED,
        "nbfn.json": json.dumps(entry, indent=2, ensure_ascii=False) + "\n",
    }
    return {**inside, **_runtime(), **{path: text.encode() for path, text in texts.items()}}


def _func_yaml(about: Export, secrets: Sequence[str]) -> dict[str, Any]:
    config = {key: value for key, value in sorted(about.config.items()) if key not in secrets}
    expected = [{"name": name, "required": True} for name in secrets]
    document = {
        "schema_version": SCHEMA,
        "name": _fit(about.name),
        "version": INITIAL,
        "runtime": "docker",
        "memory": about.limits.memory_mb,
        "timeout": about.limits.timeout_s,
        "idle_timeout": about.limits.idle_timeout_s,
        "config": config,
        "expects": {"config": expected} if expected else {},
    }
    return {key: value for key, value in document.items() if value}


def _dockerfile(about: Export, python: str, base: str, requirements: Sequence[str]) -> str:
    known = find(f"python{python}")
    build_image = about.build_image or (known.build_image if known else f"python:{python}-slim")
    run_image = about.run_image or _from(base) or (known.run_image if known else f"python:{python}-slim")
    lines = [f"# {about.name}, as nbfn deployed it: func.py is the function, {RUNTIME_FOLDER} serves it."]
    if requirements:
        lines += [
            f"FROM {build_image} AS build-stage",
            "WORKDIR /function",
            "COPY requirements.txt /function/",
            "RUN pip3 install --target /python/ --no-cache-dir -r requirements.txt && chmod -R o+rX /python",
        ]
    lines += [f"FROM {run_image}", "WORKDIR /function"]
    lines += ["COPY --from=build-stage /python /python"] if requirements else []
    lines += [
        f"COPY --chown={USER} . /function/",
        "ENV PYTHONPATH=/function:/python PYTHONUNBUFFERED=1 LANG=C.UTF-8",
        f"USER {USER}",
        f"ENTRYPOINT {json.dumps(ENTRYPOINT)}",
    ]
    return "\n".join(lines) + "\n"


def _from(base: str) -> str:
    """The base as Docker's FROM names it; empty for this machine's own Python."""
    for prefix in _FROM_KNOWS:
        if base.startswith(prefix):
            return base.removeprefix(prefix)
    if base.startswith(_OTHER_PLACES):
        raise BadInput(
            f"the base {base} cannot be named in a Dockerfile",
            hint="say which image of a registry or of the Docker daemon is like it: run_image=, --run-image",
        )
    return base


def _requirements(image: Image) -> tuple[str, ...]:
    """Every package that the image has for the function, in its version."""
    found = {
        f"{package.name}=={package.version}"
        for layer in image.layers
        if layer.what == DEPENDENCIES
        for package in packages_in(layer)
    }
    return tuple(sorted(found))


def _runtime() -> dict[str, bytes]:
    root = Path(nbfn.runtime.__path__[0])
    return {f"{RUNTIME_FOLDER}/{path.name}": path.read_bytes() for path in sorted(root.glob("*.py"))}


def _fit(name: str) -> str:
    """What Docker takes as the name of an image, which the Fn CLI makes of the function's."""
    return repository("-", name).rpartition("/")[2]


def _write(files: Mapping[str, bytes], folder: Path, *, force: bool) -> None:
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            if not force:
                raise BadInput(f"{folder} is there already", hint="--force (force=True) writes over it")
            _forget(folder)
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise StateError(f"{folder} cannot be written: {error.strerror}") from error


def _forget(folder: Path) -> None:
    """Take away what only an earlier export put there."""
    if (folder / "nbfn.json").is_file():
        for name in (RUNTIME_FOLDER, "data"):
            shutil.rmtree(folder / name, ignore_errors=True)
