"""What is in an image, for people: layers, files, packages, sizes and how it starts."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.containerize import host, recipe
from nbfn.containerize.image import Descriptor, Layer
from nbfn.containerize.members import read_members

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbfn.containerize.image import Image

# A layer with more files than this is shown by its packages or its number of files.
_LISTED_FILES = 12
_METADATA = re.compile(r"(?:^|/)([^/]+)-([^-/]+)\.dist-info/METADATA$")
_BLURBS = {
    "runtime": "what serves calls",
    "dependencies": "packages",
    "code": "the function",
    "base": "what it is built on",
}


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file of a layer; ``size`` in bytes."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class DescribedPackage:
    """A package, as its own metadata in the image names it."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class DescribedLayer:
    """One layer; ``size`` is that of the blob, in bytes."""

    what: str
    digest: str
    size: int
    files: tuple[ImageFile, ...]
    packages: tuple[DescribedPackage, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """What is in an image. ``str()`` of it is a text to read."""

    digest: str
    size: int
    """Bytes of everything: layers as stored, config and manifest."""
    layers: tuple[DescribedLayer, ...]
    entrypoint: tuple[str, ...]
    user: str
    working_dir: str
    env: Mapping[str, str]
    labels: Mapping[str, str]
    platform: str
    created: str

    @property
    def packages(self) -> tuple[DescribedPackage, ...]:
        """Of all layers, by name."""
        found = {package for layer in self.layers for package in layer.packages}
        return tuple(sorted(found, key=lambda package: (package.name.lower(), package.version)))

    @property
    def files(self) -> tuple[ImageFile, ...]:
        """Of all layers, lowest first."""
        return tuple(file for layer in self.layers for file in layer.files)

    def __str__(self) -> str:
        needs = self.labels.get(host.HOST_LABEL)
        python = self.labels.get(host.PYTHON_LABEL, "")
        lines = [
            f"{self.digest}  {readable(self.size)}, {self.platform}",
            f"  starts   {' '.join(self.entrypoint)}  (in {self.working_dir}, as {self.user})",
        ]
        if handler := self.labels.get(recipe.HANDLER_LABEL):
            where = f", only on this kind of Python: {needs}" if needs else ""
            lines.append(f"  handler  {handler}, Python {python}{where}")
        for layer in self.layers:
            lines += _layer_lines(layer)
        return "\n".join(lines)


def describe(image: Image) -> Description:
    """What is in ``image``. Reads the headers of its layers, not their files.

    Raises:
        ImageError: a layer is missing or cannot be read.
    """
    config = image.config
    runs = config.get("config") or {}
    env = dict(item.partition("=")[::2] for item in runs.get("Env") or ())
    return Description(
        digest=image.digest,
        size=image.size,
        layers=tuple(_described(layer) for layer in image.layers),
        entrypoint=(*(runs.get("Entrypoint") or ()), *(runs.get("Cmd") or ())),
        user=runs.get("User") or "0:0",
        working_dir=runs.get("WorkingDir") or "/",
        env=env,
        labels=dict(image.labels),
        platform=f"{config.get('os')}/{config.get('architecture')}",
        created=config.get("created", ""),
    )


def readable(size: int) -> str:
    """``size`` bytes in the unit that suits: ``812 B``, ``1.4 kB``, ``101.3 MB``."""
    if size < 1000:
        return f"{size} B"
    value, units = size / 1000, ["kB", "MB", "GB"]
    while value >= 999.95 and len(units) > 1:
        value /= 1000
        del units[0]
    return f"{value:.1f} {units[0]}"


def packages_in(layer: Layer) -> tuple[DescribedPackage, ...]:
    """The packages in one layer. Raises as :func:`describe`."""
    about = layer.descriptor
    return _packages(about.media_type, about.digest, about.size, layer.path)


@functools.lru_cache(maxsize=64)  # a layer is what its digest says
def _packages(media_type: str, digest: str, size: int, path: Path) -> tuple[DescribedPackage, ...]:
    return _described(Layer(Descriptor(media_type, digest, size), "", path)).packages


def _described(layer: Layer) -> DescribedLayer:
    with layer.tar() as tar:
        size = tar.seek(0, 2)
        tar.seek(0)
        members, _ = read_members(tar, size)
    files = tuple(ImageFile(m.path, m.size) for m in members if m.kind in ("file", "hardlink"))
    matches = (_METADATA.search(file.path) for file in files)
    packages = (DescribedPackage(match[1].replace("_", "-"), match[2]) for match in matches if match)
    ordered = tuple(sorted(packages, key=lambda package: package.name.lower()))
    return DescribedLayer(layer.what, layer.descriptor.digest, layer.descriptor.size, files, ordered)


def _layer_lines(layer: DescribedLayer) -> list[str]:
    count = len(layer.files)
    blurb = _BLURBS.get(layer.what, "")
    head = f"  {layer.what:<13}{readable(layer.size):>9}  {count:>5} files  {layer.digest[7:19]}  {blurb}"
    if layer.packages:
        return [head, *(f"      {package}" for package in layer.packages)]
    if count <= _LISTED_FILES:
        return [head, *(f"      {readable(file.size):>9}  /{file.path}" for file in layer.files)]
    return [head]
