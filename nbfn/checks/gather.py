"""The facts of this machine, of the context's server and of one function. Every failure is a fact, too."""

from __future__ import annotations

import email.utils
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from nbfn import config
from nbfn.checks.facts import Asked, Cloud, Executor, Facts, Machine
from nbfn.containerize.host import machine_platform
from nbfn.containerize.registry import Access, Reference, Repository
from nbfn.deploy.oci.reach import unreachable
from nbfn.deploy.oci.refusals import read_failure, refusal
from nbfn.deploy.plan import ENDPOINT_ANNOTATION
from nbfn.errors import NbfnError, RegistryError
from nbfn.spec import Deployment, FunctionSpec, ImageRef

if TYPE_CHECKING:
    from nbfn.config import Settings
    from nbfn.deploy.control import Object
    from nbfn.session import Session
    from nbfn.targets import Server
    from nbfn.targets.oci import OciServer

_TIMEOUT_S = 10.0
_DOCKER_SOCKET = "unix:///var/run/docker.sock"
_BINDER = ("BINDER_SERVICE_HOST", "BINDER_LAUNCH_HOST", "BINDER_REPO_URL")


def gather(session: Session, app: str = "", name: str = "", *, last_error: object = None) -> Facts:
    """What is the case, for ``session``; with ``name`` also of that function of the application ``app``.

    Never raises for what it finds. An executor that is not running is started, as by any other use.
    """
    machine = _machine(session.settings)
    error = last_error if isinstance(last_error, NbfnError) else None
    context = server = None
    try:
        context = session.context
        server = session.server
        executor = _executor(server) if server.own else None
        if not server.own and not context.is_oracle:
            server.control.apps.list(limit=1)
    except NbfnError as failure:
        return Facts(machine, context, context_error=failure, last_error=error)
    cloud = _cloud(session, server) if context.is_oracle else None
    # What is asked of a server that refuses everything would be refused once more.
    asked = _asked(session, server, app, name) if name and not (cloud and cloud.error) else None
    return Facts(machine, context, None, executor, cloud, asked, error)


def _machine(settings: Settings) -> Machine:
    folder = settings.state
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return Machine(
        python=sys.version_info[:2],
        system=platform.system(),
        architecture=machine_platform()["architecture"],
        docker=_docker(),
        binder=any(config.variable(name) for name in _BINDER),
        free_mb=shutil.disk_usage(folder).free >> 20,
    )


def _docker() -> str:
    """Why Docker cannot be used; empty if it answers."""
    where = config.variable("DOCKER_HOST") or _DOCKER_SOCKET
    path = Path(where.removeprefix("unix://"))
    unix = where.startswith("unix://")
    if unix and not path.exists():
        return f"{path} is not there"
    transport = httpx.HTTPTransport(uds=str(path)) if unix else None
    base = "http://docker" if unix else where.replace("tcp://", "http://")
    try:
        with httpx.Client(transport=transport, base_url=base, timeout=_TIMEOUT_S, trust_env=False) as client:
            answer = client.get("/_ping")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"{where} does not answer: {error}"
    return "" if answer.is_success else f"{where} answers {answer.status_code}"


def _executor(server: Server) -> Executor | None:
    try:
        told = server.client.get("/nbfn/v1/info").json()["isolation"]
        return Executor(told["tier"], tuple(told["mechanisms"]), tuple(told["missing"]))
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None


def _cloud(session: Session, server: Server) -> Cloud:
    from nbfn.targets.oci import OciServer

    assert isinstance(server, OciServer)
    account, place = server.target.account, server.target.place
    login, login_error = None, None
    try:
        found = Access.of(session.settings).login(Reference.parse(f"{session.context.registry}/x"))
        login = (found.user or "(a token)") if found else None
    except NbfnError as failure:
        login_error = failure
    error, off_s = _listed(server)
    region, profiles = account.region, account.profile_region
    return Cloud(
        compartment_id=place.compartment_id,
        region=place.region,
        profile_region=profiles.id if profiles else "",
        profile_url=profiles.functions_url if profiles else "",
        registries=region.registries if region and account.is_real else (),
        login=login,
        login_error=login_error,
        clock_off_s=off_s,
        error=error,
    )


def _listed(server: OciServer) -> tuple[NbfnError | None, float | None]:
    """Why the compartment's applications are not listed, and how far this machine's clock is ahead."""
    target = server.target
    where = target.api.where
    try:
        answer = server.client.get(
            f"/{target.settings.api_version}/applications",
            params={"compartmentId": target.settings.compartment_id, "limit": "1"},
            timeout=_TIMEOUT_S,
        )
    except httpx.TransportError as error:
        return unreachable(error, where, "ListApp", target.place, sent=False), None
    except NbfnError as error:
        return error, None
    now, off_s = time.time(), None
    if told := email.utils.parsedate_tz(answer.headers.get("date", "")):
        off_s = now - email.utils.mktime_tz(told)
    if answer.is_success:
        return None, off_s
    failure = read_failure(answer.status_code, answer.headers, answer.content, "ListApp")
    return refusal(failure, where, target.place, now), off_s


def _asked(session: Session, server: Server, app: str, name: str) -> Asked:
    control = server.control
    try:
        held = control.function(app, name)
        shape = str(control.app(app).get("shape") or "")
    except NbfnError as error:
        return Asked(app, name, error=error)
    image = str(held.get("image") or "")
    return Asked(
        app,
        name,
        state=str(held.get("state") or ""),
        image=image,
        shape=shape,
        architecture=_architecture(session, held),
        image_error=_image_error(session, server, image),
        call_error=server.may_call(_deployment(held, app, name)),
    )


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


def _image_error(session: Session, server: Server, image: str) -> NbfnError | None:
    """Why the image is not where it should be: here, or in its registry."""
    if image.startswith(("archive ", "pre-built ")) or not image:
        return None
    try:
        if server.own and image.startswith("nbfn.local/"):
            session.layout.get(ImageRef.parse(image))
            return None
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


def _deployment(held: Object, app: str, name: str) -> Deployment:
    notes: dict[str, Any] = held.get("annotations") or {}
    url = str(notes.get(ENDPOINT_ANNOTATION) or "")
    return Deployment(FunctionSpec(name, app), ImageRef(""), held["id"], held["app_id"], url, "")
