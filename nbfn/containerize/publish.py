"""An image of the layout, sent to where others can have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn import config
from nbfn.containerize import places
from nbfn.containerize.bases import BASE_LABEL
from nbfn.containerize.compress import compressed
from nbfn.containerize.registry import Access, Reference, push
from nbfn.errors import BadInput
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.config import Settings
    from nbfn.containerize.image import Image
    from nbfn.containerize.layout import Layout

    Progress = Callable[[str, int, int], None]


def publish(
    ref: ImageRef | str,
    where: str,
    layout: Layout,
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> ImageRef:
    """Send the image ``ref`` to ``where``: a registry, or any other place (:mod:`nbfn.containerize.places`).

    To a registry it goes compressed, and that image, which runs as the other does, is kept here too: the
    digest that is returned is the one everywhere. The base's layers are mounted if they are in the same
    registry.

    Raises:
        BadInput: ``where`` names no place.
        LoginFailed: the registry does not know us; says which part of the login is wrong.
        ImageError: there is no such image, or the place cannot be reached; a retry sends what is missing.
        StateError: a file cannot be written.
    """
    image = layout.get(ref)
    known = settings or config.load()
    place = places.find_place(where, Access.of(known))
    if not isinstance(place, places.Remote):
        place.store(image, progress=progress)
        return ImageRef(where, digest=image.digest)
    zipped = compressed(image, layout, progress=progress)
    return push(
        zipped,
        place.ref,
        place.access,
        mount_from=_base_repository(image, place.ref),
        memory=layout.path / ".nbfn" / "registries",
        progress=progress,
    )


def _base_repository(image: Image, ref: Reference) -> tuple[str, ...]:
    """Where the base's layers are, if that is another repository of the same registry."""
    try:
        base = Reference.parse(image.labels.get(BASE_LABEL, ""))
    except BadInput:
        return ()
    return (base.repository,) if base.host == ref.host and base.repository != ref.repository else ()
