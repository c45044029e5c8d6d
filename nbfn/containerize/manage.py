"""The images of a layout: list, tag, verify, and take away what nothing needs."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.containerize import files, host
from nbfn.containerize.layout import DEFAULT_TAG
from nbfn.containerize.recipe import HANDLER_LABEL, LOCAL
from nbfn.containerize.registry.reference import Reference
from nbfn.containerize.validate import validate
from nbfn.errors import BadInput, ImageError
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nbfn.containerize.image import Image
    from nbfn.containerize.layout import Layout
    from nbfn.containerize.validate import Judged

# A blob younger than this may belong to an image that is being built or pulled right now.
GRACE_S = 3600.0
_DIGITS = re.compile(r"[0-9a-f]{4,64}")


@dataclass(frozen=True, slots=True)
class Listed:
    """One name in a layout."""

    name: str
    """``repository:tag``; empty if it is only found by its digest, as an earlier revision."""
    digest: str
    size: int
    """Bytes of everything, as stored; what images share is counted for each."""
    platform: str
    python: str
    """Minor version, empty if its labels do not say."""
    problem: str = ""
    """What is wrong with it, if it cannot be read."""
    handler: str = ""
    """The Python function in it, if there is one."""
    kept_at: float = 0.0
    """When it came here, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was taken away."""

    blobs: tuple[str, ...]
    """Digests."""
    freed: int
    """Bytes, of both."""
    partials: tuple[str, ...] = ()
    """Digests of blobs that had come only in part."""


def listed(layout: Layout, *, unnamed: bool = False) -> list[Listed]:
    """Every name, sorted; a damaged image is in it, with what is wrong.

    With ``unnamed`` also what is there by digest alone, such as earlier revisions, the latest first.

    Raises:
        ImageError: the index itself is damaged.
    """
    names = layout.refs()
    found = [_listed(layout, name, digest) for name, digest in names.items()]
    if unnamed:
        others = set(layout.manifests()).difference(names.values())
        rest = (_listed(layout, "", digest) for digest in others)
        found += sorted(rest, key=lambda each: (-each.kept_at, each.digest))
    return found


def _listed(layout: Layout, name: str, digest: str) -> Listed:
    try:
        image = layout.get(ImageRef("", digest=digest))
        kept_at = layout.blob(digest).stat().st_mtime
    except (ImageError, OSError) as error:
        return Listed(name, digest, 0, "", "", error.message if isinstance(error, ImageError) else str(error))
    about, labels = image.config, image.labels
    return Listed(
        name,
        digest,
        image.size,
        platform=f"{about.get('os')}/{about.get('architecture')}",
        python=labels.get(host.PYTHON_LABEL, ""),
        handler=labels.get(HANDLER_LABEL, ""),
        kept_at=kept_at,
    )


def find(layout: Layout, text: str) -> Image:
    """The image that ``text`` means: ``APP/FUNCTION`` or ``FUNCTION`` for what was built last of one, any
    name in the layout, or a digest, of which the first few digits do.

    Raises:
        ImageError: there is none, or it is damaged.
        BadInput: there are several.
    """
    names = layout.refs()
    tagged = text if ":" in text.rpartition("/")[2] else f"{text}:{DEFAULT_TAG}"
    for name in (text, tagged, f"{LOCAL}/{tagged}"):
        if name in names:
            return layout.get(ImageRef("", digest=names[name]))
    meant = [name for name in names if name.endswith(f"/{tagged}")]
    found = {names[name] for name in meant}
    digits = text.rpartition("@")[2].removeprefix("sha256:")
    if not found and _DIGITS.fullmatch(digits):
        found = {digest for digest in layout.manifests() if digest.startswith(f"sha256:{digits}")}
    if len(found) > 1:
        told = meant or [name for name, digest in names.items() if digest in found] or found
        raise BadInput(f"{text!r} could be any of {', '.join(sorted(told))}", hint="give one of those")
    if not found:
        raise ImageError(
            f"there is no image {text!r} in {layout.path}", hint="`nbfn images list` shows what is there"
        )
    return layout.get(ImageRef("", digest=found.pop()))


def tag(layout: Layout, ref: ImageRef | str, name: ImageRef | str) -> ImageRef:
    """Let ``name`` (``repository:tag``) mean the image ``ref`` too.

    Raises:
        ImageError: there is no such image.
        BadInput: ``ref`` is not a reference, or ``name`` none that may be given.
        StateError: the layout cannot be written.
    """
    new = given_name(str(name))
    return layout.put(layout.get(ref), new.repository, new.tag)


def untag(layout: Layout, name: str) -> ImageRef:
    """Forget ``name`` (``repository:tag``, or without a tag for ``latest``); returns what it meant.

    The image stays until a prune, and for as long as something else needs it.

    Raises:
        ImageError: there is no such name, or the index itself is damaged.
        BadInput: it is a function's own.
        StateError: the layout cannot be written.
    """
    names = layout.refs()
    found = next((each for each in (name, f"{name}:{DEFAULT_TAG}") if each in names), "")
    repository, _, tagged = found.rpartition(":")
    _check_not_reserved(repository or name, name)
    if not found:
        own = [each for each in names if not each.startswith(f"{LOCAL}/")]
        raise ImageError(
            f"there is no image with the name {name!r} in {layout.path}",
            hint=f"names that can be removed: {', '.join(own)}" if own else "no name was given to any image",
        )
    known = ImageRef(repository, names[found], tagged)
    layout.remove(ImageRef(repository, tag=tagged))
    return known


def given_name(text: str) -> ImageRef:
    """``NAME[:TAG]`` as a name that somebody may give an image here: one that a registry would take, too.

    Raises:
        BadInput: no registry would take it, it has a digest, or it is one of the names of functions.
    """
    hint = "write it like team/greet:1.0"
    try:
        judged = Reference.parse(text)
    except BadInput as error:
        raise BadInput(error.message, hint=hint) from None
    name = ImageRef.parse(text.removeprefix("docker://"))
    if judged.digest:
        raise BadInput(f"{text!r} has a digest, and a name is given without one", hint=hint)
    if name.repository == "sha256":
        raise BadInput(f"{text!r} reads as a digest, not as the name of an image", hint=hint)
    _check_not_reserved(name.repository, text)
    return ImageRef(name.repository, tag=judged.tag)


def _check_not_reserved(repository: str, text: str) -> None:
    if f"{repository}/".startswith(f"{LOCAL}/"):
        raise BadInput(
            f"{text!r} is one of the functions' own names: those below {LOCAL}/ come and go with them",
            hint="use another name, like team/greet:1.0; `delete function` removes a function",
        )


def let_go(layout: Layout, repository: str) -> list[str]:
    """Forget every name of ``repository``, whatever its tag; returns them. Their blobs stay until a prune.

    Raises:
        ImageError: the index itself is damaged.
        StateError: the layout cannot be written.
    """
    names = [name for name in layout.refs() if name.rpartition(":")[0] == repository]
    return [name for name in names if layout.remove(name)]


def verify(layout: Layout) -> dict[str, list[str]]:
    """Each name with what is wrong with its image; empty if all are sound. Reads every byte.

    An image without a name, such as an earlier revision that a rollback would run, is named by its digest.

    Raises:
        ImageError: the index itself is damaged.
    """
    names = layout.refs()
    unnamed = sorted(set(layout.manifests()).difference(names.values()))
    layers: Judged = {}
    judged: dict[str, list[str]] = {}
    for digest in {*names.values(), *unnamed}:
        try:
            judged[digest] = validate(layout.get(ImageRef("", digest=digest)), layers)
        except ImageError as error:
            judged[digest] = [error.message, *error.problems]
    every = {**names, **dict(zip(unnamed, unnamed, strict=True))}
    return {name: judged[digest] for name, digest in every.items() if judged[digest]}


def prune(layout: Layout, roots: Iterable[str], *, grace_s: float = GRACE_S) -> Pruned:
    """Remove the blobs that no image of ``roots`` (digests) and no name needs.

    A deployed function needs its image by digest alone: its digest must be in ``roots``. What came or was
    used by a build within ``grace_s`` stays, since another process may be about to name it. A kill at any
    moment leaves every needed image whole.

    Raises:
        ImageError: an image that is needed is missing or damaged: nothing was removed.
        StateError: a blob could not be removed.
    """
    needed = layout.reachable(roots)
    limit = time.time() - grace_s
    removed, freed = [], 0
    manifests = set(layout.manifests())
    # What is killed here must not leave a manifest that wants for layers.
    for path in sorted(_blobs(layout), key=lambda each: f"sha256:{each.name}" not in manifests):
        status = path.stat()
        digest = f"sha256:{path.name}"
        if digest in needed or status.st_mtime > limit:
            continue
        with files.explained(layout.path, "the store of images"):
            path.unlink()
        removed.append(digest)
        freed += status.st_size
    return Pruned(tuple(removed), freed)


def drop_partials(layout: Layout, *, after_s: float = 0.0) -> dict[str, int]:
    """Remove the parts of blobs that nobody is writing, and nobody has for ``after_s``: digest → bytes.

    A pull that broke off begins anew then.

    Raises:
        StateError: one could not be removed.
    """
    removed: dict[str, int] = {}
    limit = time.time() - after_s
    with files.explained(layout.path, "the store of images"):
        for path in sorted(layout.partials.iterdir()) if layout.partials.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime <= limit and (size := files.drop_growing(path)) is not None:
                    removed[f"sha256:{path.name}"] = size
    return removed


def _blobs(layout: Layout) -> list[Path]:
    folder = layout.path / "blobs" / "sha256"
    return sorted(folder.iterdir()) if folder.is_dir() else []
