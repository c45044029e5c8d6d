"""A zipped layer as its tar, while it is unzipped: nothing is written."""

from __future__ import annotations

import gzip
import importlib
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from nbfn.errors import ImageError

if TYPE_CHECKING:
    from nbfn.containerize.image import Layer


class Unzipped:
    """The tar in ``blob``, the file of a zipped layer; read once, from its beginning to its end.

    Reading raises ImageError if it cannot be decompressed, or is a bomb.
    """

    def __init__(self, blob: BinaryIO, layer: Layer) -> None:
        self._file, self._damage = _opened(blob)  # it is the caller's blob that is closed
        self._layer = layer
        self.size = 0
        """Bytes that were read."""

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._file.read(size)
        except (OSError, EOFError, zlib.error, self._damage) as error:
            raise ImageError(f"{self._layer.path} cannot be decompressed: {error}") from error
        self.size += len(data)
        if self.size > self._layer.most_bytes:
            raise self._layer.bomb()
        return data


def _opened(blob: BinaryIO) -> tuple[BinaryIO, type[Exception]]:
    """By Intel's library, if it is installed, in a third of the time; and what that says of damage."""
    try:
        unzipper: Any = importlib.import_module("isal.igzip")
        damage: Any = importlib.import_module("isal.isal_zlib")
    except ImportError:
        return cast("BinaryIO", gzip.GzipFile(fileobj=blob, mode="rb")), zlib.error
    return unzipper.IGzipFile(fileobj=blob, mode="rb"), damage.error
