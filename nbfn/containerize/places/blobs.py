"""Taking an image out of anything that keeps blobs by their digests: a layout folder, a tar of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbfn.containerize import files, host, judge
from nbfn.containerize.image import INDEX_TYPES, LAYER_TYPES, Descriptor, Image, decode, digest_of
from nbfn.containerize.registry import platforms
from nbfn.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from nbfn.containerize.image import Layer
    from nbfn.containerize.judge import Accept
    from nbfn.containerize.layout import Layout
    from nbfn.spec import Progress

    Open = Callable[[str], AbstractContextManager[BinaryIO]]

REF_NAME = "org.opencontainers.image.ref.name"
# Far more than any manifest or config has.
DOCUMENT_MAX_BYTES = 16 << 20


def named(index: Mapping[str, Any], name: str, what: str) -> Descriptor:
    """The entry of an ``index.json`` with ``name``; with an empty one, the only entry.

    Raises:
        ImageError: there is none, or several; the message has the names that there are.
    """
    listed = index.get("manifests")
    if not isinstance(listed, list):
        raise ImageError(f"{what} is damaged: its index lists no manifests")
    found = [entry for entry in listed if not name or _name(entry) == name]
    if len(found) == 1:
        return Descriptor.read(found[0], f"an image in {what}")
    names = ", ".join(sorted(filter(None, map(_name, listed)))) or "none with a name"
    asked = f"no image {name!r}" if name else f"{len(found)} images, and no name was given"
    raise ImageError(f"{what} has {asked}; there are: {names}", hint="put the name after the path: PATH:NAME")


def take(
    descriptor: Descriptor,
    open_blob: Open,
    layout: Layout,
    what: str,
    platform: Mapping[str, str] | None,
    progress: Progress | None,
    accept: Accept | None,
) -> Image:
    """The image that ``descriptor`` (a manifest, or a list of them) means, brought into ``layout``.

    Raises:
        ImageError: a blob is missing or damaged, or nothing is for the platform; or it is not accepted, or
            must not be unpacked.
        StateError: the layout cannot be written.
    """
    data = _document(descriptor, open_blob, what)
    document = decode(data, f"the manifest of {what}")
    if (document.get("mediaType") or descriptor.media_type) in INDEX_TYPES or "manifests" in document:
        chosen = platforms.choose(document, platform or host.machine_platform(), what)
        data = _document(chosen, open_blob, what)
        document = decode(data, f"the manifest of {what}")
    config = Descriptor.read(document.get("config"), f"the config of {what}")
    config_bytes = _document(config, open_blob, what)
    image = Image.read(data, config_bytes, layout.blob, what)
    if accept is not None:
        accept(image.config)
    total = sum(layer.descriptor.size for layer in image.layers)
    files.check_room(layout.path, f"the layers of {what}", layout.lacking(image.layers))
    done, root = 0, host.brings_root(image)
    for number, layer in enumerate(image.layers, start=1):
        if layer.descriptor.media_type not in LAYER_TYPES:
            raise ImageError(f"{what} has a layer of the type {layer.descriptor.media_type!r}, not a tar")
        _copy(layer, open_blob, layout, f"layer {number} of {what}", root=root)
        done += layer.descriptor.size
        if progress is not None:
            progress("fetch", done, total)
    return layout.keep(image)


def _document(descriptor: Descriptor, open_blob: Open, what: str) -> bytes:
    with open_blob(descriptor.digest) as file:
        data = file.read(DOCUMENT_MAX_BYTES + 1)
    if len(data) > DOCUMENT_MAX_BYTES or digest_of(data) != descriptor.digest:
        raise ImageError(f"{what} is damaged: {descriptor.digest} has other bytes", hint="make it anew")
    return data


def _copy(layer: Layer, open_blob: Open, layout: Layout, what: str, *, root: bool) -> None:
    descriptor = layer.descriptor
    if judge.is_kept(layer, layout, what, root=root):
        return
    judged = judge.judging(layer, what, root=root, notes=layout)
    part = layout.partial(descriptor, what, resumed=False, judge=judged)
    with part as growing, open_blob(descriptor.digest) as file:
        if growing is not None:
            growing.restart()
            while growing.size <= descriptor.size and (chunk := file.read(1 << 20)):
                growing.write(chunk)


def _name(entry: object) -> str:
    notes = entry.get("annotations") if isinstance(entry, dict) else None
    return str(notes.get(REF_NAME, "")) if isinstance(notes, dict) else ""
