"""The facts of one function: where it is, what it runs, and why it cannot be called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbfn import config
from nbfn.checks.facts import Asked, Called
from nbfn.containerize import engines
from nbfn.containerize.dockerd import connected
from nbfn.containerize.registry import Access, Reference, Repository
from nbfn.deploy.plan import ENDPOINT_ANNOTATION
from nbfn.deploy.rest import Rest
from nbfn.errors import ImageError, NbfnError, NotFound, RegistryError
from nbfn.spec import Deployment, FunctionSpec, ImageRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbfn.deploy.control import Control, Object
    from nbfn.session import Session
    from nbfn.targets import Server

_OURS = "nbfn.local/"
# Each application that is looked through for a name is a request.
_APPS = 50
_CALLS = 20


def look_at(session: Session, server: Server, app: str, name: str, tried: str = "", *, docker: bool) -> Asked:
    """The function ``name`` of ``app``; without that of the usual one, or of the only one that has it.

    If none has it, it is ``tried``: the application that it could not be deployed to. ``docker`` is True if
    Docker answers here. Never raises for what it finds.
    """
    control, place = server.control, app or session.settings.app
    shape = ""
    try:
        shape = str(control.app(place).get("shape") or "")
        held = control.function(place, name)
    except NotFound as error:
        having = _having(control, name)
        if not app and (len(having) == 1 or (tried and not having)):
            return look_at(session, server, (*having, tried)[0], name, docker=docker)
        return Asked(place, name, error=_missing(control, app, name, having, error), shape=shape)
    except NbfnError as error:
        return Asked(place, name, error=error, shape=shape)
    image = str(held.get("image") or "")
    return Asked(
        place,
        name,
        state=str(held.get("state") or ""),
        image=image,
        shape=shape,
        architecture=_architecture(session, held),
        image_error=_image_error(session, server, image, docker=docker),
        call_error=server.may_call(_deployment(held, place, name)),
        calls=_calls(server, held["id"]) if server.own else (),
        timeout_s=int(held.get("timeout") or 0),
    )


def _calls(server: Server, fn_id: str) -> tuple[Called, ...]:
    try:
        told = Rest(server.client).calls(fn_id, _CALLS)
        return tuple(
            Called(each["id"], int(each["status"]), str(each["message"]), float(each["queued_at"]))
            for each in told
            if each["status"]  # it is over
        )
    except (NbfnError, LookupError, TypeError, ValueError):
        return ()


def _having(control: Control, name: str) -> Sequence[str]:
    """The applications that have a function of that name, as far as they can be looked through."""
    try:
        return [
            str(app["name"])
            for app in control.apps.list(limit=_APPS)
            if control.functions.find(name, app_id=app["id"])
        ]
    except NbfnError:
        return []


def _missing(control: Control, app: str, name: str, having: Sequence[str], error: NotFound) -> NotFound:
    """Why there is no such function, with how to ask for one that there is."""
    if having:
        said = error.message if app else f"{len(having)} applications have a function {name!r}"
        which = " or ".join(f"`nbfn doctor {each} {name}`" for each in having)
        return NotFound(said, hint=f"ask with the application: {which}", status=404)
    if app:
        return NotFound(error.message, hint=error.hint or "was it ever deployed there?", status=404)
    return NotFound(
        f"{control.where} has no function {name!r} in any application",
        hint=f"`nbfn doctor {name} FUNCTION` asks about one of the application {name}"
        if _is_app(control, name)
        else f"`nbfn doctor APP {name}` looks where it should be, `nbfn list apps` says where that can be",
        status=404,
    )


def _is_app(control: Control, name: str) -> bool:
    try:
        return control.apps.find(name) is not None
    except NbfnError:
        return False


def _architecture(session: Session, held: Object) -> str:
    """Of the image, if it is one that was built or fetched here."""
    try:
        image = session.layout.get(ImageRef("", digest=_digest(held)))
    except NbfnError:
        return ""
    return str(image.config.get("architecture") or "")


def _digest(held: Object) -> str:
    _, at, digest = str(held.get("image") or "").partition("@")
    notes: dict[str, Any] = held.get("annotations") or {}
    return digest if at else str(notes.get("oracle.com/oci/imageDigest") or "")


def _image_error(session: Session, server: Server, image: str, *, docker: bool) -> NbfnError | None:
    """Why the image is not where it should be.

    The executor takes what is in this machine's own store, whatever its name; then what Docker has, and the
    registry's only then. Another server knows registries alone.
    """
    if image.startswith(("archive ", "pre-built ")) or not image:
        return None
    if server.own:
        try:
            session.layout.get(ImageRef.parse(image))
        except NbfnError as error:
            if image.startswith(_OURS):
                return error
        else:
            return None
        if docker and _docker_has(image):
            return None
    try:
        ref = Reference.parse(image)
        with Repository(ref, Access.of(session.settings)) as repository:
            if repository.manifest_digest(ref.pointer) is None:
                return RegistryError(
                    f"{ref} is not in the registry {ref.host}",
                    hint="was the tag deleted, or never pushed? deploy it again",
                    status=404,
                )
    except NbfnError as error:
        return error
    return None


def _docker_has(image: str) -> bool:
    try:
        # Not whatever builds: where the executor looks.
        with connected(image, config.variable("DOCKER_HOST") or engines.DOCKER_SOCKET) as client:
            client.images.get(image)
    except ImageError:
        return False
    return True


def _deployment(held: Object, app: str, name: str) -> Deployment:
    notes: dict[str, Any] = held.get("annotations") or {}
    url = str(notes.get(ENDPOINT_ANNOTATION) or "")
    return Deployment(FunctionSpec(name, app), ImageRef(""), held["id"], held["app_id"], url, "")
