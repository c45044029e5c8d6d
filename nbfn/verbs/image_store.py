"""The images of this machine from Python: what is there, what is in it, what differs, and what may go.

Wherever an image is asked for, a function, ``"FUNCTION"``, ``"APP/FUNCTION"``, any name that is listed or the
first digits of a digest will do.

Raises (each function, beside what it says itself):
    ImageError: there is no such image, or it is damaged.
    BadInput: what is named could be several.
    StateError: the store of images cannot be written.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbfn import containerize, local
from nbfn import session as sessions
from nbfn.containerize import places
from nbfn.containerize.manage import GRACE_S
from nbfn.containerize.registry import Access
from nbfn.deploy.rest import Rest
from nbfn.errors import BadInput, ImageError
from nbfn.remote import Remote
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbfn.containerize import Changes, Description, Image, Listed, Pruned
    from nbfn.session import Session
    from nbfn.spec import Progress

    Named = Remote[..., Any] | ImageRef | str

_TIMEOUT_S = 30.0


def images(*, unnamed: bool = False, session: Session | None = None) -> Sequence[Listed]:
    """The images by name; with ``unnamed`` also those that have none, such as earlier revisions."""
    return containerize.listed(_layout(session), unnamed=unnamed)


def inspect_image(image: Named, *, session: Session | None = None) -> Description:
    """What is in an image: layers, files, packages, sizes, how it starts."""
    return containerize.describe(_find(image, session))


def diff_images(before: Named, after: Named, *, session: Session | None = None) -> Changes:
    """What differs between two images: files, packages, settings, sizes. False if nothing."""
    return containerize.changes(_find(before, session), _find(after, session))


def tag_image(image: Named, name: str, *, session: Session | None = None) -> ImageRef:
    """Let ``name`` (``NAME[:TAG]``) mean the image too.

    Raises:
        BadInput: no registry would take that name, or it is below ``nbfn.local/``, as those of functions.
    """
    return containerize.tag(_layout(session), ImageRef("", digest=_find(image, session).digest), name)


def untag_image(name: str, *, session: Session | None = None) -> ImageRef:
    """Forget a name that was given; returns what it meant. What nothing else needs goes with the next prune.

    Raises:
        ImageError: there is no such name.
        BadInput: it is a function's own, which goes with the function.
    """
    return containerize.untag(_layout(session), name)


def verify_images(*, session: Session | None = None) -> Mapping[str, Sequence[str]]:
    """Each image with what is wrong with it; empty if all are sound. Reads every byte.

    One without a name, such as an earlier revision, is named by its digest.
    """
    return containerize.verify(_layout(session))


def prune_images(*, grace_s: float = GRACE_S, session: Session | None = None) -> Pruned:
    """Remove what neither a name nor a function of this machine's executor needs.

    What is younger than ``grace_s`` stays: it may belong to an image that is being built. The parts of what a
    pull did not bring whole go whatever their age, unless one is at it.

    Raises:
        ExecutorError: the executor, which knows what is needed, cannot be asked: no image is removed.
    """
    ours = session or sessions.current()
    # First: nobody need be asked, and an executor that is to be started may want for the space.
    partials = containerize.drop_partials(ours.layout)
    done = containerize.prune(ours.layout, _needed(ours), grace_s=grace_s)
    return replace(done, freed=done.freed + sum(partials.values()), partials=tuple(partials))


def push_image(
    image: Named, where: str = "", *, session: Session | None = None, progress: Progress | None = None
) -> ImageRef:
    """Send an image to a registry, or another place (``docker-daemon:NAME``, ``oci-archive:FILE``).

    By default that is the context's registry, under the name of the function.

    Raises:
        BadInput: there is no such place, or none is known.
        LoginFailed, RegistryError: the registry refused, or cannot be reached; a retry goes on from there.
    """
    ours = session or sessions.current()
    found = _find(image, session)
    place = where or _place_of(image, found, ours)
    ref = ImageRef("", digest=found.digest)
    return containerize.publish(ref, place, ours.layout, settings=ours.settings, progress=progress)


def pull_image(
    where: str, name: str = "", *, session: Session | None = None, progress: Progress | None = None
) -> ImageRef:
    """Bring an image here from a registry, or another place; ``name`` is what it is called here, too.

    Raises:
        BadInput: there is no such place, or ``name`` is none that may be given.
        LoginFailed, RegistryError: the registry refused, or cannot be reached; a retry goes on from there.
    """
    ours = session or sessions.current()
    known = containerize.given_name(name) if name else None
    place = places.find_place(where, Access.of(ours.settings))
    if isinstance(place, places.Remote):
        containerize.given_name(place.ref.name)  # the image gets that name here
    image = place.fetch(ours.layout, progress=progress)
    if known is not None:
        return ours.layout.put(image, known.repository, known.tag)
    if isinstance(place, places.Remote):
        return ImageRef(place.ref.name, digest=image.digest, tag=place.ref.tag)
    return ImageRef(where, digest=image.digest)


def _layout(session: Session | None) -> containerize.Layout:
    return (session or sessions.current()).layout


def _find(image: Named, session: Session | None) -> Image:
    layout = _layout(session)
    if isinstance(image, Remote):
        if image.image is None:
            raise ImageError(
                f"{image.spec.name!r} has no image: it is not deployed", hint="call it, or deploy it"
            )
        image = image.image
    return layout.get(image) if isinstance(image, ImageRef) else containerize.find(layout, image)


def _place_of(image: Named, found: Image, ours: Session) -> str:
    """Where the context's registry has a function's image."""
    names = [name for name, digest in ours.layout.refs().items() if digest == found.digest]
    own = image.spec.name if isinstance(image, Remote) else names[0].rpartition(":")[0] if names else ""
    if not ours.context.registry or not own:
        what = "has no name" if ours.context.registry else "has no registry to go to"
        raise BadInput(
            f"the image {found.digest[:19]} {what}",
            hint="say where: HOST/NAME:TAG; or `nbfn update context registry HOST/NAME`",
        )
    return ours.context.image_name(own.rpartition("/")[2], "latest")


def _needed(ours: Session) -> list[str]:
    """The digests that this machine's functions and their revisions need, as far as their images are here.

    It is this machine's executor that is asked, whichever server the session works with.
    """
    with local.ensure(ours.settings).client(timeout=_TIMEOUT_S) as client:
        told = Rest(client).get("/nbfn/v1/images")["items"]
    # Without a digest of its own an image has one in its name, or a name that is in the store.
    digests = {str(each["digest"]) or ImageRef.parse(str(each["image"])).digest for each in told}
    return sorted(digests.intersection(ours.layout.manifests()))
