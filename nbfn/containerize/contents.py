"""The function's own files, read back out of an image."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

from nbfn.containerize.parts import CODE
from nbfn.containerize.recipe import FUNCTION_FOLDER
from nbfn.errors import ImageError

if TYPE_CHECKING:
    from nbfn.containerize.image import Image


def function_files(image: Image) -> dict[str, bytes]:
    """``func.py``, ``nbfn.json`` and the data files, by path relative to ``func.py``.

    Raises:
        ImageError: the layer is missing or damaged; or the image is not one of nbfn's.
    """
    found: dict[str, bytes] = {}
    prefix = f"{FUNCTION_FOLDER}/"
    for layer in image.layers:
        if layer.what != CODE:
            continue
        with layer.tar() as blob:
            try:
                with tarfile.open(fileobj=blob, mode="r:") as tar:
                    for member in tar:
                        file = tar.extractfile(member) if member.isreg() else None
                        if file is not None and member.name.startswith(prefix):
                            found[member.name.removeprefix(prefix)] = file.read()
            except (tarfile.TarError, EOFError) as error:
                raise ImageError(f"the code layer {layer.path} is no tar: {error}") from error
    if not found:
        raise ImageError(f"{image.digest} has no function of nbfn's in it")
    return found
