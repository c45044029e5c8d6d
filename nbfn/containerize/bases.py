"""What an image stands on.

``host`` is the only base so far: an empty one, whose label says that it needs the Python that built it.
A base from a registry, the Docker daemon, a layout folder or a tarball is one more class with the three
members of :class:`Base` and one more line in :func:`find_base`; the application's layers are the same on
every base.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from nbfn.containerize import host
from nbfn.containerize.image import Image
from nbfn.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.spec import PythonVersion


class Base(Protocol):
    """Something to build on."""

    @property
    def image(self) -> Image:
        """The image below the application's layers."""
        ...

    @property
    def labels(self) -> Mapping[str, str]:
        """What images on this base must say of it."""
        ...

    def check(self, python: PythonVersion) -> None:
        """Return if code captured on ``python`` runs on this base.

        Raises:
            BadInput: it does not.
        """
        ...


class HostBase:
    """Nothing but the promise to run on this machine's Python."""

    @property
    def image(self) -> Image:
        return Image.empty(host.machine_platform())

    @property
    def labels(self) -> Mapping[str, str]:
        return {host.HOST_LABEL: host.soabi()}

    def check(self, python: PythonVersion) -> None:
        if python != host.python():
            raise BadInput(
                f"the code was captured on Python {python}, and base 'host' is this Python {host.python()}",
                hint="build it in the kernel that captured it",
            )


def find_base(text: str) -> Base:
    """The base that ``text`` names.

    Raises:
        BadInput: none is known by it.
    """
    if text == "host":
        return HostBase()
    raise BadInput(
        f"{text!r} is not a base that images can be built on",
        hint="use base='host' (this machine's Python), the only one that this version understands",
    )
