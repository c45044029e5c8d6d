"""An image with its layers compressed, as registries keep them: another view, with a digest of its own."""

from __future__ import annotations

import importlib
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from nbfn.containerize.image import LAYER_GZIP_TYPE, PLAIN_TYPES, Image, Layer, digest_of, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.containerize.files import Sink
    from nbfn.containerize.layout import Layout
    from nbfn.spec import Progress

_CHUNK = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS  # a gzip header without a name or a time: the same bytes on any day


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def compressed(image: Image, layout: Layout, *, progress: Progress | None = None) -> Image:
    """``image`` with every plain layer compressed by gzip, kept in ``layout``.

    The files are the same ones, so it runs as ``image`` does; it is what is pushed, so that its digest is
    the one everywhere. Each layer is compressed once. ``progress`` is told ``compress``, and how many of how
    many bytes are done.

    Raises:
        ImageError: a layer is missing.
        StateError: the layout cannot be written.
    """
    return layout.keep(compress_layers(image, layout, progress=progress))


def compress_layers(image: Image, layout: Layout, *, progress: Progress | None = None) -> Image:
    """The same, but of it only the layers are kept so far. Raises as :func:`compressed`."""
    plain = [layer for layer in image.layers if layer.descriptor.media_type in PLAIN_TYPES]
    if not plain:
        return image
    total, done = sum(layer.descriptor.size for layer in plain), 0
    layers = []
    for layer in image.layers:
        if layer.descriptor.media_type not in PLAIN_TYPES:
            layers.append(layer)
            continue
        layers.append(_compressed(layer, layout))
        done += layer.descriptor.size
        if progress is not None:
            progress("compress", done, total)
    return Image.made_of(image.config, layers)


def plain_layers(image: Image, layout: Layout) -> list[Layer]:
    """Those that are still to be compressed."""
    plain = [layer for layer in image.layers if layer.descriptor.media_type in PLAIN_TYPES]
    return [layer for layer in plain if layout.recall(_key(layer)) is None]


def _key(layer: Layer) -> str:
    return digest_of(encode({"compress": _compressor()[0], "digest": layer.descriptor.digest}))


def _compressed(layer: Layer, layout: Layout) -> Layer:
    key = _key(layer)
    known = layout.recall(key)
    if known is None:
        _, make = _compressor()

        def fill(sink: Sink) -> None:
            compressor = make()
            with layer.open() as file:
                while chunk := file.read(_CHUNK):
                    sink.write(compressor.compress(chunk))
            sink.write(compressor.flush())

        digest, size = layout.add(fill, f"the compressed {layer.what} layer", layer.descriptor.size)
        known = replace(layer.descriptor, media_type=LAYER_GZIP_TYPE, digest=digest, size=size)
        layout.remember(key, known)
    return Layer(known, layer.diff_id, layout.blob(known.digest))


def _compressor() -> tuple[str, Callable[[], _Compressor]]:
    """Intel's, if it is installed: about five times faster for the same size. The name tells its version."""
    try:
        isal: Any = importlib.import_module("isal")
        zipper: Any = importlib.import_module("isal.isal_zlib")
    except ImportError:
        return f"zlib {zlib.ZLIB_RUNTIME_VERSION}", lambda: zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return f"isal {isal.__version__}", lambda: zipper.compressobj(2, zipper.DEFLATED, _GZIP)
