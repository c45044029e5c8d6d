"""An image of the layout, sent to where others can have it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from nbfn import config
from nbfn.containerize import places
from nbfn.containerize.bases import BASE_LABEL
from nbfn.containerize.compress import compress_layers, plain_layers
from nbfn.containerize.registry import Access, Ahead, Reference, push
from nbfn.containerize.registry.push import SMALL_BYTES
from nbfn.errors import BadInput
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    from nbfn.config import Settings
    from nbfn.containerize.image import Image
    from nbfn.containerize.layout import Layout
    from nbfn.spec import Progress

_MOST_BEGUN = 2


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
    with Ahead(place.ref, place.access, layout.path / ".nbfn" / "registries") as ahead:
        ahead.expect(_uploads(image, layout) if ahead.known else 0)
        zipped = compress_layers(image, layout, progress=progress)
        # Its manifest is written here while the registry writes it there.
        with ThreadPoolExecutor(1) as threads:
            kept = threads.submit(layout.keep, zipped)
            pushed = push(
                zipped,
                place.ref,
                place.access,
                mount_from=_base_repository(image, place.ref),
                progress=progress,
                ahead=ahead,
            )
            kept.result()
    return pushed


def _uploads(image: Image, layout: Layout) -> int:
    """How many small blobs a registry that has the last version is sent: what changed, and the config."""
    plain = [x for x in plain_layers(image, layout) if x.descriptor.size <= SMALL_BYTES]
    return min(len(plain) + 1, _MOST_BEGUN) if plain else 0


def _base_repository(image: Image, ref: Reference) -> tuple[str, ...]:
    """Where the base's layers are, if that is another repository of the same registry."""
    try:
        base = Reference.parse(image.labels.get(BASE_LABEL, ""))
    except BadInput:
        return ()
    return (base.repository,) if base.host == ref.host and base.repository != ref.repository else ()
