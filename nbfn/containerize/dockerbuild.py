"""FOLDER → IMAGE by a Dockerfile: the engine builds it, and the image is taken into a layout.

Docker's classic builder is asked, which every Docker has, and Podman too: no buildx is needed.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from nbfn.containerize.buildlog import BuildLog
from nbfn.containerize.dockerd import connected
from nbfn.containerize.places.daemon import Daemon
from nbfn.errors import BadInput, BuildFailed, ImageError
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from nbfn.containerize.buildlog import Line
    from nbfn.containerize.image import Image
    from nbfn.containerize.layout import Layout

_GENERATED = ".nbfn.Dockerfile"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be built."""

    name: str
    """Of the function, for errors."""
    folder: Path
    """What ``COPY`` and ``ADD`` see, less what its ``.dockerignore`` says."""
    dockerfile: str = ""
    """The text of the Dockerfile; empty: the folder's own."""
    tag: str = ""
    """The name that the daemon shall give the image, ``NAME:TAG``."""
    args: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Build arguments; some may be secret."""
    cache: bool = True
    url: str | None = None
    """The engine's, if it is not the one that is asked for."""
    engine: str = ""
    """Which one the context asks for: ``docker``, ``podman``; empty: what is asked for otherwise."""


def build(wanted: Wanted, layout: Layout, *, on_line: Callable[[Line], None] | None = None) -> Image:
    """Build ``wanted`` and take the image into ``layout``, whole; ``on_line`` is told the log.

    An interrupt ends the build in the daemon, too. Nothing is written before all of it has succeeded.

    Raises:
        BuildFailed: a step failed; with the step and the last lines of its output.
        ImageError: no engine answers, it went away meanwhile, or what was built cannot be a function.
        BadInput: the folder cannot be read, or an engine is asked for that there is not.
        StateError: the layout cannot be written.
    """
    what = f"the build of {wanted.name!r}"
    image_id = _built(wanted, what, on_line)
    image = taken(image_id, layout, wanted.url, engine=wanted.engine)
    check_function(image, what)
    return image


def taken(image_id: str, layout: Layout, url: str | None = None, *, engine: str = "") -> Image:
    """The engine's image in ``layout``; nothing is fetched if it is there already.

    Raises:
        ImageError: the engine has it no more, or is not there.
        StateError: the layout cannot be written.
    """
    note = layout.note("docker", image_id)
    try:
        known = layout.get(ImageRef("", digest=json.loads(note.read_bytes())["digest"]))
        if all(layout.has(layer.descriptor.digest, layer.descriptor.size) for layer in known.layers):
            return known
    except (OSError, ValueError, KeyError, TypeError, ImageError):
        pass  # a cache: what cannot be read is fetched
    image = Daemon(image_id, url, engine).fetch(layout)
    layout.write_note(note, json.dumps({"digest": image.digest}).encode())
    return image


def check_function(image: Image, what: str) -> None:
    """Return if ``image`` can be a function's.

    Raises:
        ImageError: it says nothing to run, or has a volume, which Fn refuses.
    """
    runs = image.config.get("config") or {}
    if not (runs.get("Entrypoint") or runs.get("Cmd")):
        raise ImageError(
            f"{what}: the image says nothing to run",
            hint="give its Dockerfile an ENTRYPOINT that serves FN_LISTENER, as Fn's FDKs do",
        )
    if runs.get("Volumes"):
        raise ImageError(
            f"{what}: the image has a volume ({', '.join(runs['Volumes'])}), and Fn runs none that has",
            hint="take VOLUME out of its Dockerfile",
        )


def _built(wanted: Wanted, what: str, on_line: Callable[[Line], None] | None) -> str:
    """The image's id in the engine."""
    import docker

    log = BuildLog()
    name = _GENERATED if wanted.dockerfile else "Dockerfile"
    with tempfile.TemporaryFile() as file, connected(what, wanted.url, engine=wanted.engine) as client:
        _pack(wanted, cast("BinaryIO", file))
        try:
            messages = client.api.build(
                fileobj=file,
                custom_context=True,
                dockerfile=name,
                tag=wanted.tag or None,
                buildargs=dict(wanted.args),
                nocache=not wanted.cache,
                decode=True,
                rm=True,
                forcerm=True,
            )
        except docker.errors.APIError as error:
            if error.response is not None and error.response.status_code == 400:  # the Dockerfile itself
                raise BuildFailed(f"{what}: {error.explanation}") from error
            raise
        with contextlib.closing(messages):  # hanging up ends a build that goes on
            for message in messages:
                _tell(log.feed(message), on_line)
            _tell(log.end(), on_line)
    if log.failed:
        raise log.failure(what)
    if not log.image_id:
        raise ImageError(
            f"{what}: the daemon went away during {log.step or 'its start'}",
            hint="start it, and build again: what was built is in its cache",
        )
    return log.image_id


def _tell(lines: Iterator[Line], on_line: Callable[[Line], None] | None) -> None:
    for line in lines:
        if on_line is not None:
            on_line(line)


def _pack(wanted: Wanted, file: BinaryIO) -> None:
    """Write the folder as a tar, with a Dockerfile of ours beside it that the image does not see."""
    from docker.utils import build as contexts

    ignore = wanted.folder / ".dockerignore"
    extra = []
    try:
        text = ignore.read_text(encoding="utf-8") if ignore.is_file() else ""
        patterns = [line.strip() for line in text.splitlines() if line.strip()]
        patterns = [pattern for pattern in patterns if not pattern.startswith("#")]
        if wanted.dockerfile:
            unseen = "\n".join((*patterns, _GENERATED, ".dockerignore", ""))
            extra = [(".dockerignore", unseen), (_GENERATED, wanted.dockerfile)]
            patterns.append(".dockerignore")
        names = sorted(contexts.exclude_paths(str(wanted.folder), patterns))
        contexts.create_archive(str(wanted.folder), names, fileobj=file, extra_files=extra)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{wanted.folder} cannot be read: {error}") from error
    file.seek(0)
