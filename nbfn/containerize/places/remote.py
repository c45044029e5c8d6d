"""A registry, as a place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbfn.containerize.registry import Access, Reference, Repository, pull, push
from nbfn.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbfn.containerize.image import Image
    from nbfn.containerize.judge import Accept
    from nbfn.containerize.layout import Layout
    from nbfn.spec import Progress

# A tag of a base moves once in a while; asking at every build would cost more than building.
_FRESH_S = 600.0


@dataclass(frozen=True, slots=True)
class Remote:
    """The image ``ref`` in its registry."""

    ref: Reference
    access: Access = field(default_factory=Access)
    memory: Path | None = None
    """Folder that remembers what repositories have, and uploads which broke off."""
    exact: bool = True
    fresh_s: float = _FRESH_S

    def __str__(self) -> str:
        return f"docker://{self.ref}"

    def state(self) -> str:
        if self.ref.digest:
            return self.ref.digest
        with Repository(self.ref, self.access) as repository:
            found = repository.manifest_digest(self.ref.tag)
        if found is None:
            raise RegistryError(
                f"{self.ref} is not in the registry {self.ref.host}",
                hint="look at the name and the tag",
                status=404,
            )
        return found

    def fetch(
        self,
        layout: Layout,
        *,
        platform: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        accept: Accept | None = None,
    ) -> Image:
        return pull(self.ref, layout, self.access, platform=platform, progress=progress, accept=accept)

    def store(self, image: Image, *, progress: Progress | None = None) -> None:
        push(image, self.ref, self.access, memory=self.memory, progress=progress)
