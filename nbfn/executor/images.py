"""What names of images mean in this machine's store of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.containerize import Layout
from nbfn.errors import BadInput, ImageError
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    from pathlib import Path


class Images:
    """The store of images, as far as the control plane asks. It reads files: used in the store's thread."""

    def __init__(self, path: Path) -> None:
        self._layout = Layout(path)

    def digest(self, image: str) -> str:
        """The digest of what ``image`` means now; empty if that is not here."""
        try:
            ref = ImageRef.parse(image)
        except BadInput:
            return ""
        try:
            return ref.digest or self._layout.get(ref).digest
        except ImageError:
            return ""
