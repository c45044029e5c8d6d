"""An OCI image layout: a folder."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.containerize.image import decode
from nbfn.containerize.layout import Layout
from nbfn.containerize.places import blobs
from nbfn.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from nbfn.containerize.image import Descriptor, Image
    from nbfn.containerize.judge import Accept
    from nbfn.spec import Progress


@dataclass(frozen=True, slots=True)
class Folder:
    """The image ``name`` in the layout at ``path``; without a name, its only one."""

    path: Path
    name: str = ""
    exact: bool = True
    fresh_s: float = 0.0

    def __str__(self) -> str:
        return f"oci:{self.path}" + (f":{self.name}" if self.name else "")

    def state(self) -> str:
        return self._descriptor().digest

    def fetch(
        self,
        layout: Layout,
        *,
        platform: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        accept: Accept | None = None,
    ) -> Image:
        return blobs.take(self._descriptor(), self._open, layout, str(self), platform, progress, accept)

    def store(self, image: Image, *, progress: Progress | None = None) -> None:
        name = self.name or "latest"
        Layout(self.path).put_as(image, name)
        if progress is not None:
            size = sum(layer.descriptor.size for layer in image.layers)
            progress("store", size, size)

    def _descriptor(self) -> Descriptor:
        path = self.path / "index.json"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ImageError(
                f"{self.path} is no layout of images: {path.name}: {error.strerror}",
                hint="give a folder with oci-layout, index.json and blobs",
            ) from error
        return blobs.named(decode(data, str(path), hint="make it anew"), self.name, str(self))

    @contextlib.contextmanager
    def _open(self, digest: str) -> Iterator[BinaryIO]:
        path = self.path / "blobs" / "sha256" / digest.removeprefix("sha256:")
        try:
            file = path.open("rb")
        except OSError as error:
            raise ImageError(f"{self} is damaged: {path}: {error.strerror}", hint="make it anew") from error
        with file:
            yield file
