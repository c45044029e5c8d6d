"""What every place of images can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.containerize.image import Image
    from nbfn.containerize.judge import Accept
    from nbfn.containerize.layout import Layout
    from nbfn.spec import Progress


class Source(Protocol):
    """One image to be had."""

    @property
    def fresh_s(self) -> float:
        """How long its :meth:`state` may be taken as unchanged, where asking for it is slow."""
        ...

    def state(self) -> str:
        """Another text when there is another image; cheaper than fetching it.

        Raises:
            ImageError: there is no image, or the place cannot be reached.
        """
        ...

    def fetch(
        self,
        layout: Layout,
        *,
        platform: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        accept: Accept | None = None,
    ) -> Image:
        """Bring the image into ``layout``, whole and checked, found there by its digest.

        ``platform``, by default this machine's, says which one of a list. ``accept`` is given its config
        before a layer is fetched.

        Raises:
            ImageError: there is none, none for the platform, it is damaged, or holds what must not be
                unpacked: nothing refers to it then.
            StateError: the layout cannot be written.
        """
        ...


class Sink(Protocol):
    """A place for an image, under one name."""

    @property
    def exact(self) -> bool:
        """True if what is fetched again has the same digest; else only config and files are the same."""
        ...

    def store(self, image: Image, *, progress: Progress | None = None) -> None:
        """Make the name mean ``image``. Until all of it is there, it means what it did.

        Raises:
            ImageError: a layer is missing or damaged, or the place cannot be reached.
            StateError: a file cannot be written.
        """
        ...


class Place(Source, Sink, Protocol):
    """A source that is a sink too. ``str()`` of it names it for people."""
