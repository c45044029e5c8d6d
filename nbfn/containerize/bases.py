"""What an image stands on: this machine's Python, or an image from anywhere.

``host`` is an empty base, whose label says that it needs the Python that built it. ``fn`` is the image
that Fn's own Python functions run on (setting ``NBFN_BASE``). Anything else names an image, as
:mod:`nbfn.containerize.places` reads it. The application's layers are the same on every base.
"""

from __future__ import annotations

import copy
import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from nbfn import config
from nbfn.containerize import host, places
from nbfn.containerize.examine import Facts, examine
from nbfn.containerize.image import (
    DOCKER_LAYER_GZIP_TYPE,
    DOCKER_LAYER_TYPE,
    LAYER_GZIP_TYPE,
    LAYER_TYPE,
    Descriptor,
    Image,
    Layer,
    digest_of,
)
from nbfn.containerize.registry import Access
from nbfn.errors import BadInput, ImageError, RegistryError
from nbfn.spec import ImageRef, PythonVersion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbfn.config import Settings
    from nbfn.containerize.layout import Layout
    from nbfn.containerize.places import Source
    from nbfn.spec import Progress

BASE_LABEL = "org.nbfn.base"
"""Which image it was built on, as it was asked for."""
_OCI_TYPES = {DOCKER_LAYER_TYPE: LAYER_TYPE, DOCKER_LAYER_GZIP_TYPE: LAYER_GZIP_TYPE}
_FN = "fn"

_log = logging.getLogger(__name__)


class Base(Protocol):
    """Something to build on."""

    @property
    def image(self) -> Image:
        """The image below the application's layers."""
        ...

    @property
    def labels(self) -> Mapping[str, str]:
        """What images on this base must say of it."""
        ...

    @property
    def facts(self) -> Facts | None:
        """What it brings; None if it is this machine's own."""
        ...

    def check(self, python: PythonVersion) -> None:
        """Return if code captured on ``python`` runs on this base.

        Raises:
            BadInput: it does not.
            ImageError: it does not: another Python, or another platform.
        """
        ...


class HostBase:
    """Nothing but the promise to run on this machine's Python."""

    facts = None

    @property
    def image(self) -> Image:
        return Image.empty(host.machine_platform())

    @property
    def labels(self) -> Mapping[str, str]:
        return {host.HOST_LABEL: host.soabi()}

    def check(self, python: PythonVersion) -> None:
        if python != host.python():
            raise BadInput(
                f"the code was captured on Python {python}, and base 'host' is this Python {host.python()}",
                hint="build it in the kernel that captured it",
            )


@dataclass(frozen=True, slots=True)
class ImageBase:
    """An image with a system and a Python of its own."""

    name: str
    image: Image
    facts: Facts

    @property
    def labels(self) -> Mapping[str, str]:
        return {BASE_LABEL: self.name}

    def check(self, python: PythonVersion) -> None:
        facts, here = self.facts, host.machine_platform()
        if (facts.os, facts.architecture) != (here["os"], here["architecture"]):
            raise ImageError(
                f"the base {self.name} is for {facts.os}/{facts.architecture}, and this machine is "
                f"{here['os']}/{here['architecture']}",
                hint="use a base for this platform, or one whose name stands for several",
            )
        if facts.python is None:
            raise ImageError(
                f"the base {self.name} has no python3 on its PATH",
                hint=f"use one that brings Python {python}, such as {config.DEFAULT_BASE}".replace(
                    "{python}", str(python)
                ),
            )
        if facts.python != python:
            raise ImageError(
                f"the base {self.name} brings Python {facts.python}, and the code was captured on {python}",
                hint=f"use a base with Python {python}, a kernel with Python {facts.python}, or base='host'",
            )


def find_base(
    text: str, layout: Layout, *, settings: Settings | None = None, progress: Progress | None = None
) -> Base:
    """The base that ``text`` names, brought into ``layout`` if it is an image that is not here.

    A base that was fetched before does when its registry cannot be reached.

    Raises:
        BadInput: it names none.
        ImageError: it is not there, not for this platform, or damaged.
        StateError: the layout cannot be written.
    """
    if text == "host":
        return HostBase()
    known = settings or config.load()
    name = text
    if text == _FN:
        text = known.base.replace("{python}", str(host.python()))
    try:
        source = places.find_place(text, Access.of(known))
        image, facts = _kept(source, text, layout, progress)
    except (BadInput, ImageError) as error:
        raise _of_base(error, name, text) from error
    return ImageBase(text, _plain(image), facts)


def _of_base(error: BadInput | ImageError, name: str, text: str) -> BadInput | ImageError:
    """The same error, said of the base that was asked for by ``name``, with how to have another one."""
    said = copy.copy(error)
    called = f"base {name!r} is {text}, which" if name == _FN else f"base {text}"
    said.message = f"{called} cannot be had: {error.message}"
    other = "NBFN_BASE=IMAGE has 'fn' mean another image, and " if name == _FN else ""
    said.hint = (
        f"{error.hint or 'is that its name?'}; {other}--base IMAGE (base=) names one: of a registry, "
        "of the daemon (docker-daemon:NAME), or a file"
    )
    return said


def _kept(source: Source, text: str, layout: Layout, progress: Progress | None) -> tuple[Image, Facts]:
    """The image and its facts, which are noted beside the layout's blobs."""
    platform = host.machine_platform()
    note = layout.note("bases", digest_of(f"{text} {platform}".encode()))
    kept = _read(note, layout)
    if kept is not None:
        state, written, image, facts = kept
        if time.time() - written < source.fresh_s:
            return image, facts
        try:
            if source.state() == state:
                note.touch()
                return image, facts
        except RegistryError as error:
            if error.status:
                raise
            _log.warning("%s; the base that was fetched before is used", error.message)
            return image, facts
    state = source.state()
    image = source.fetch(layout, platform=platform, progress=progress)
    facts = examine(image)
    about = {"state": state, "digest": image.digest, "facts": _document(facts)}
    layout.write_note(note, json.dumps(about).encode())
    return image, facts


def _read(note: Path, layout: Layout) -> tuple[str, float, Image, Facts] | None:
    try:
        about = json.loads(note.read_bytes())
        image = layout.get(ImageRef("", digest=about["digest"]))
        facts = about["facts"]
        python = PythonVersion(*facts["python"]) if facts["python"] else None
        version = (int(facts["libc_version"][0]), int(facts["libc_version"][1]))
        found = Facts(python, facts["libc"], version, facts["os"], facts["architecture"])
        whole = all(layout.has(x.descriptor.digest, x.descriptor.size) for x in image.layers)
        return (about["state"], note.stat().st_mtime, image, found) if whole else None
    except (OSError, ValueError, KeyError, TypeError, IndexError, ImageError):
        return None  # it is a cache: what cannot be read is fetched again


def _document(facts: Facts) -> dict[str, object]:
    return {
        "python": facts.python,
        "libc": facts.libc,
        "libc_version": facts.libc_version,
        "os": facts.os,
        "architecture": facts.architecture,
    }


def _plain(image: Image) -> Image:
    """``image`` in the specification's own types, where Docker named them otherwise; the bytes are the same.

    What it says to run is dropped: it would stand beside our entry point.
    """
    layers = [
        Layer(
            Descriptor(
                _OCI_TYPES.get(layer.descriptor.media_type, layer.descriptor.media_type),
                layer.descriptor.digest,
                layer.descriptor.size,
                layer.descriptor.annotations,
            ),
            layer.diff_id,
            layer.path,
        )
        for layer in image.layers
    ]
    about = image.config
    runs = dict(about.get("config") or {})
    for key in ("Cmd", "Entrypoint", "Healthcheck", "ExposedPorts", "Volumes", "OnBuild", "StopSignal"):
        runs.pop(key, None)
    for key in ("container", "container_config", "docker_version", "id", "parent"):
        about.pop(key, None)  # of the machine that made it
    return Image.made_of({**about, "config": runs}, layers)
