"""The images of a layout: list, tag, verify, and take away what nothing needs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.containerize import files, host
from nbfn.containerize.validate import validate
from nbfn.errors import ImageError
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nbfn.containerize.layout import Layout

# A blob younger than this may belong to an image that is being built or pulled right now.
GRACE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Listed:
    """One name in a layout."""

    name: str
    """``repository:tag``."""
    digest: str
    size: int
    """Bytes of everything, as stored; what images share is counted for each."""
    platform: str
    python: str
    """Minor version, empty if its labels do not say."""
    problem: str = ""
    """What is wrong with it, if it cannot be read."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was taken away."""

    blobs: tuple[str, ...]
    """Digests."""
    freed: int
    """Bytes."""


def listed(layout: Layout) -> list[Listed]:
    """Every name, sorted; a damaged image is in it, with what is wrong.

    Raises:
        ImageError: the index itself is damaged.
    """
    found = []
    for name, digest in layout.refs().items():
        try:
            image = layout.get(ImageRef("", digest=digest))
        except ImageError as error:
            found.append(Listed(name, digest, 0, "", "", error.message))
            continue
        about = image.config
        platform = f"{about.get('os')}/{about.get('architecture')}"
        python = image.labels.get(host.PYTHON_LABEL, "")
        found.append(Listed(name, digest, image.size, platform, python))
    return found


def tag(layout: Layout, ref: ImageRef | str, name: ImageRef | str) -> ImageRef:
    """Let ``name`` (``repository:tag``) mean the image ``ref`` too.

    Raises:
        ImageError: there is no such image.
        BadInput: one of them is not a reference.
        StateError: the layout cannot be written.
    """
    image = layout.get(ref)
    new = ImageRef.parse(name) if isinstance(name, str) else name
    return layout.put(image, new.repository, new.tag or "latest")


def verify(layout: Layout) -> dict[str, list[str]]:
    """Each name with what is wrong with its image; empty if all are sound. Reads every byte once a name.

    Raises:
        ImageError: the index itself is damaged.
    """
    found: dict[str, list[str]] = {}
    judged: dict[str, list[str]] = {}
    for name, digest in layout.refs().items():
        if digest not in judged:
            try:
                judged[digest] = validate(layout.get(ImageRef("", digest=digest)))
            except ImageError as error:
                judged[digest] = [error.message, *error.problems]
        if judged[digest]:
            found[name] = judged[digest]
    return found


def prune(layout: Layout, roots: Iterable[str], *, grace_s: float = GRACE_S) -> Pruned:
    """Remove the blobs that no image of ``roots`` (digests) and no name needs.

    A deployed function needs its image by digest alone: its digest must be in ``roots``. What is younger
    than ``grace_s`` stays, since another process may be about to name it. A kill at any moment leaves every
    needed image whole.

    Raises:
        ImageError: an image that is needed is missing or damaged: nothing was removed.
        StateError: a blob could not be removed.
    """
    needed = layout.reachable(roots)
    limit = time.time() - grace_s
    removed, freed = [], 0
    for path in _blobs(layout):
        status = path.stat()
        digest = f"sha256:{path.name}"
        if digest in needed or status.st_mtime > limit:
            continue
        with files.explained(layout.path, "the store of images"):
            path.unlink()
        removed.append(digest)
        freed += status.st_size
    return Pruned(tuple(removed), freed)


def _blobs(layout: Layout) -> list[Path]:
    folder = layout.path / "blobs" / "sha256"
    return sorted(folder.iterdir()) if folder.is_dir() else []
