"""Whether a layer that comes from elsewhere is kept: what it holds is judged before anything refers to it."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from nbfn.containerize.members import list_members, member_problems
from nbfn.containerize.unzipped import Unzipped
from nbfn.errors import ImageError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from nbfn.containerize.files import Judge
    from nbfn.containerize.image import Layer
    from nbfn.containerize.layout import Layout

    Accept = Callable[[Mapping[str, Any]], None]
    """Gets an image's config before its layers come, and raises if the image is not wanted."""

_CHUNK = 1 << 20


def judging(layer: Layer, what: str, *, root: bool, notes: Layout | None = None) -> Judge:
    """What judges ``layer`` by the file that its blob, which has the digest that it should have, came to.

    ``root``: it is part of a system of its own, see :func:`nbfn.containerize.members.read_members`. The judge
    raises ImageError if the layer must not be kept (``problems`` has each reason): names or links that lead
    out, devices, files cut short, a bomb, or other contents than the image's config says. What is found good
    is noted in ``notes``.
    """

    def judge(path: Path) -> None:
        problems = contents_problems(replace(layer, path=path), root=root)
        if problems:
            raise refused(what, "is not kept", problems)
        if notes is not None:
            with contextlib.suppress(StateError):  # it is judged again then
                notes.write_note(_note(layer, notes, root=root), b"{}", lasting=False)

    return judge


def is_kept(layer: Layer, layout: Layout, what: str, *, root: bool) -> bool:
    """Whether ``layer`` is in ``layout`` already. What was found good for another image need not be for this
    one, which may have no root of its own, or say other contents: raises as :func:`judging`."""
    described = layer.descriptor
    if not layout.has(described.digest, described.size):
        return False
    if not any(_note(layer, layout, root=each).exists() for each in {root, False}):
        judging(layer, what, root=root, notes=layout)(layout.blob(described.digest))
    return True


def _note(layer: Layer, layout: Layout, *, root: bool) -> Path:
    """Where it is that ``layer`` was found good; what that says stays true, whatever becomes of its blob."""
    about = f"{layer.descriptor.digest} {layer.diff_id} {layer.is_zipped} {root}"
    return layout.note("judged", f"sha256:{hashlib.sha256(about.encode()).hexdigest()}")


def refused(what: str, why: str, problems: Sequence[str]) -> ImageError:
    """The error for a layer whose contents have ``problems``."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return ImageError(
        f"{what} {why}: {problems[0]}{more}",
        hint="use an image whose files stay where they are put",
        problems=problems,
    )


def contents_problems(layer: Layer, *, root: bool) -> list[str]:
    """What is wrong with what a layer holds, its blob being whole. Nothing is written: it is read as it lies.

    Raises:
        ImageError: it cannot be decompressed, or is a bomb.
    """
    with layer.open() as blob:
        if not layer.is_zipped:
            members, problems = list_members(blob)
            diff_id, size = layer.descriptor.digest, layer.descriptor.size
        else:
            tar = _Hashed(blob, layer)
            members, problems = list_members(cast("BinaryIO", tar), seekable=False)
            diff_id, size = tar.rest()
    if diff_id != layer.diff_id:
        problems.append(f"the tar has the digest {diff_id}, not its diff_id {layer.diff_id}")
    return problems + member_problems(members, size, root=root)


class _Hashed(Unzipped):
    """One whose digest is wanted."""

    def __init__(self, blob: BinaryIO, layer: Layer) -> None:
        super().__init__(blob, layer)
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = super().read(size)
        self._hash.update(data)
        return data

    def rest(self) -> tuple[str, int]:
        """The digest and size of all of it, what nobody has read included."""
        while self.read(_CHUNK):
            pass
        return f"sha256:{self._hash.hexdigest()}", self.size
