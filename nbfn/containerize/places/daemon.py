"""The Docker daemon (or Podman's, by Docker's API), through the ``docker`` package."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbfn.containerize import files
from nbfn.containerize.dockerd import connected
from nbfn.containerize.places.tarball import Tarball

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.containerize.image import Image
    from nbfn.containerize.judge import Accept
    from nbfn.containerize.layout import Layout
    from nbfn.spec import Progress


@dataclass(frozen=True, slots=True)
class Daemon:
    """The image ``name`` of the daemon at ``url``, or (default) of the ``engine`` that is asked for."""

    name: str
    url: str | None = None
    engine: str = ""
    """Which one the context asks for."""
    exact: bool = False
    """It keeps no manifests; the config, and so the image's id, is the same."""
    fresh_s: float = 0.0

    def __str__(self) -> str:
        return f"docker-daemon:{self.name}"

    def state(self) -> str:
        with connected(str(self), self.url, engine=self.engine) as client:
            return str(client.images.get(self.name).id)

    def fetch(
        self,
        layout: Layout,
        *,
        platform: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        accept: Accept | None = None,
    ) -> Image:
        with tempfile.TemporaryDirectory(prefix="nbfn-") as folder:
            path = Path(folder) / "image.tar"
            with connected(str(self), self.url, engine=self.engine) as client:
                image = client.images.get(self.name)
                if accept is not None:
                    accept(_config(image.attrs))
                total = int(image.attrs.get("Size") or 0)
                with files.explained(path.parent, f"the image {self}", total):
                    self._save(image, path, total, progress)
            found = Tarball(path).fetch(layout, platform=platform)
            if progress is not None:
                progress("fetch", total, total)
            return found

    def _save(self, image: Any, path: Path, total: int, progress: Progress | None) -> None:
        # It is written here first, and then into the layout.
        files.check_room(path.parent, f"the image {self}", total, setting="TMPDIR")
        done = 0
        with path.open("wb") as file:
            for chunk in image.save(chunk_size=1 << 20):
                file.write(chunk)
                done += len(chunk)
                if progress is not None and done < total:
                    progress("fetch", done, total)

    def store(self, image: Image, *, progress: Progress | None = None) -> None:
        name = self.name if ":" in self.name.rpartition("/")[2] else f"{self.name}:latest"
        with tempfile.TemporaryDirectory(prefix="nbfn-") as folder:
            path = Path(folder) / "image.tar"
            Tarball(path, name, "docker-archive").store(image)
            with connected(str(self), self.url, engine=self.engine) as client, path.open("rb") as file:
                client.images.load(file)
        if progress is not None:
            progress("store", image.size, image.size)


def _config(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """What the daemon says of an image, as the image's own config would."""
    return {
        "os": attrs.get("Os"),
        "architecture": attrs.get("Architecture"),
        "config": attrs.get("Config") or {},
    }
