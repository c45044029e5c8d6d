"""From a text to the place that it names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.containerize.places.daemon import Daemon
from nbfn.containerize.places.folder import Folder
from nbfn.containerize.places.remote import Remote
from nbfn.containerize.places.tarball import Tarball
from nbfn.containerize.registry import Access, Reference
from nbfn.errors import BadInput

if TYPE_CHECKING:
    from nbfn.containerize.places.base import Place


def find_place(text: str, access: Access) -> Place:
    """The place that ``text`` names; see :mod:`nbfn.containerize.places` for the forms.

    Raises:
        BadInput: it names none.
    """
    kind, _, rest = text.partition(":")
    if kind in ("oci", "oci-archive", "docker-archive", "docker-daemon"):
        if not rest:
            like = f"{kind}:NAME" if kind == "docker-daemon" else f"{kind}:PATH or {kind}:PATH:NAME"
            raise BadInput(f"{text!r} names no image", hint=f"write it like {like}")
        if kind == "docker-daemon":
            return Daemon(rest)
        path, _, name = rest.partition(":")
        place = Path(path).expanduser().absolute()
        if kind == "oci":
            return Folder(place, name)
        return Tarball(place, name, "oci-archive" if kind == "oci-archive" else "docker-archive")
    if text.startswith(("/", "./", "../", "~")):
        place = Path(text).expanduser().absolute()
        if not place.exists():
            raise BadInput(f"{text!r} is not there", hint="give a layout folder or a tarball of an image")
        return Folder(place) if place.is_dir() else Tarball(place)
    return Remote(Reference.parse(text), access)
