"""REGISTRY → LAYOUT: only what is not here yet, checked as it comes, going on where it broke off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.containerize import files, host, judge
from nbfn.containerize.image import (
    CONFIG_TYPES,
    INDEX_TYPES,
    LAYER_TYPES,
    MANIFEST_TYPES,
    Descriptor,
    Image,
    decode,
    digest_of,
)
from nbfn.containerize.registry import platforms
from nbfn.containerize.registry.repository import MANIFEST_MAX_BYTES, Repository
from nbfn.errors import ImageError, RegistryError
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.containerize.files import Growing, Judge
    from nbfn.containerize.judge import Accept
    from nbfn.containerize.layout import Layout
    from nbfn.containerize.registry.access import Access
    from nbfn.containerize.registry.reference import Reference
    from nbfn.spec import Progress

# So often a blob is asked for again, where it broke off, if each time something came.
_TRIES = 5


def pull(
    ref: Reference,
    layout: Layout,
    access: Access,
    *,
    platform: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    accept: Accept | None = None,
) -> Image:
    """Bring the image ``ref`` into ``layout``, for ``platform`` (default: this machine's).

    The image is byte for byte the registry's, and has its digest. Blobs that are here are not fetched;
    the image gets its name when all of it is here. ``progress`` is told ``pull``, and how many of how many
    bytes of its layers are here. ``accept`` is given its config before a layer is fetched.

    Raises:
        LoginFailed: the registry does not know us; says which part is wrong.
        RegistryError: not there, not reached, broken off; a retry goes on from where it stopped.
        ImageError: there is no image for the platform, or what came is not what it should be, or not what
            may be unpacked.
        StateError: the layout cannot be written.
    """
    with Repository(ref, access) as repository:
        data, digest = _manifest(repository, platform or host.machine_platform())
        manifest = decode(data, f"the manifest of {ref}")
        config = Descriptor.read(manifest.get("config"), f"the config of {ref}")
        if config.media_type not in CONFIG_TYPES or config.size > MANIFEST_MAX_BYTES:
            raise ImageError(f"{ref} is no container image: its config is of the type {config.media_type!r}")
        for entry in manifest.get("layers") or ():
            layer = Descriptor.read(entry, f"a layer of {ref}")
            if layer.media_type not in LAYER_TYPES:
                raise ImageError(
                    f"{ref} has a layer of the type {layer.media_type!r}, which is not understood",
                    hint="use an image whose layers are tars, plain or with gzip",
                )
        fetcher = _Fetcher(repository, layout, progress)
        fetcher.fetch(config, "the config")
        image = Image.read(data, layout.blob(config.digest).read_bytes(), layout.blob, str(ref))
        if accept is not None:
            accept(image.config)
        fetcher.fetch_layers(image)
    layout.keep(image)
    if ref.tag:
        layout.put(image, ref.name, ref.tag)
    return layout.get(ImageRef(ref.name, digest=digest))


def _manifest(repository: Repository, platform: Mapping[str, str]) -> tuple[bytes, str]:
    ref = repository.ref
    data, media_type = repository.manifest(ref.pointer)
    document = decode(data, f"the manifest of {ref}")
    media_type = str(document.get("mediaType") or media_type)
    if media_type in INDEX_TYPES:
        chosen = platforms.choose(document, platform, str(ref))
        data, media_type = repository.manifest(chosen.digest)
        document = decode(data, f"the manifest of {ref}")
        media_type = str(document.get("mediaType") or media_type)
    if media_type not in MANIFEST_TYPES or document.get("schemaVersion") != 2:
        raise ImageError(
            f"{ref} has a manifest of the type {media_type!r}, which is not understood",
            hint="push the image again with a newer tool",
        )
    return data, digest_of(data)


class _Fetcher:
    """Fetches blobs of one image into one layout, telling one listener."""

    def __init__(self, repository: Repository, layout: Layout, progress: Progress | None) -> None:
        self._repository = repository
        self._layout = layout
        self._total = 0
        self._progress = progress
        self._done = 0

    def fetch_layers(self, image: Image) -> None:
        ref, layout, root = self._repository.ref, self._layout, host.brings_root(image)
        self._total = sum(layer.descriptor.size for layer in image.layers)
        files.check_room(layout.path, f"the layers of {ref}", layout.lacking(image.layers))
        for number, layer in enumerate(image.layers, start=1):
            what = f"layer {number} of {ref}"
            if not judge.is_kept(layer, layout, what, root=root):
                self.fetch(layer.descriptor, what, judge.judging(layer, what, root=root, notes=layout))
            self._done += layer.descriptor.size
            self._tell(0)

    def fetch(self, descriptor: Descriptor, what: str, judging: Judge | None = None) -> None:
        if not self._layout.has(descriptor.digest, descriptor.size):
            with self._layout.partial(descriptor, what, judge=judging) as growing:
                if growing is not None:
                    self._fill(growing, descriptor, what)

    def _fill(self, growing: Growing, descriptor: Descriptor, what: str) -> None:
        for left in reversed(range(_TRIES)):
            before = growing.size
            try:
                return self._stream(growing, descriptor, what)
            except RegistryError as error:
                if error.status or not left or growing.size <= before:
                    raise
        return None

    def _stream(self, growing: Growing, descriptor: Descriptor, what: str) -> None:
        if growing.size >= descriptor.size:
            return
        with self._repository.blob(descriptor.digest, growing.size) as (begins, chunks):
            if begins != growing.size:
                growing.restart()
            for chunk in chunks:
                if growing.size + len(chunk) > descriptor.size:
                    growing.restart()
                    raise ImageError(
                        f"{self._repository.ref.host} sends more than {descriptor.size:,} bytes for {what}",
                        hint="the registry, or a proxy before it, is damaged: tell its owner",
                    )
                growing.write(chunk)
                self._tell(growing.size)

    def _tell(self, now: int) -> None:
        if self._progress is not None and self._total:  # not of the config, before it is known how much comes
            self._progress("pull", self._done + now, self._total)
