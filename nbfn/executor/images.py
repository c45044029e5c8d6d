"""This machine's store of images, as far as the executor asks it, and lets go of what is in it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from nbfn.containerize import Layout, drop_partials, prune
from nbfn.containerize.manage import let_go
from nbfn.containerize.recipe import repository
from nbfn.errors import BadInput, ImageError, StateError
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

log = logging.getLogger(__name__)

# So long after a build last used it, what no function and no name needs is there for the next build.
KEPT_S = 7 * 86400.0


class Images:
    """It reads and writes files: used in the store's thread, where no function comes or goes meanwhile."""

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

    def function_removed(self, app: str, name: str) -> None:
        """Forget the names that building the function gave its images. What other names they have stays."""
        try:
            let_go(self._layout, repository(app, name))
        except (ImageError, StateError) as error:
            log.warning("the images of %s/%s keep their names: %s", app, name, error)

    def sweep(self, needed: Iterable[tuple[str, str]]) -> None:
        """Remove what has been of no use for :data:`KEPT_S`.

        ``needed`` are the image and digest of every function and revision.
        """
        try:
            here = set(self._layout.manifests())
            drop_partials(self._layout, after_s=KEPT_S)
            done = prune(self._layout, here.intersection(map(_digest, needed)), grace_s=KEPT_S)
        except (ImageError, StateError, OSError) as error:
            log.warning("images that nothing needs stay: %s", error)
            return
        if done.blobs:
            log.info("removed %d blobs of images that nothing needs, %d bytes", len(done.blobs), done.freed)


def _digest(image: tuple[str, str]) -> str:
    name, digest = image
    try:
        return digest or ImageRef.parse(name).digest
    except BadInput:
        return ""
