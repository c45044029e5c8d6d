"""The facts of this machine, of the context's server and of one function. Every failure is a fact, too."""

from __future__ import annotations

import email.utils
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from nbfn import config, failures
from nbfn.checks.facts import Cloud, Executor, Facts, Machine
from nbfn.checks.function import look_at
from nbfn.containerize import engines
from nbfn.containerize.host import machine_platform
from nbfn.containerize.registry import Access, Reference
from nbfn.deploy.oci.reach import unreachable
from nbfn.deploy.oci.refusals import read_failure, refusal
from nbfn.errors import CallError, NbfnError, NoEngine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbfn.checks.facts import Asked
    from nbfn.config import Settings
    from nbfn.failures import Failed
    from nbfn.session import Session
    from nbfn.targets import Server
    from nbfn.targets.oci import OciServer

_TIMEOUT_S = 10.0
_BINDER = ("BINDER_SERVICE_HOST", "BINDER_LAUNCH_HOST", "BINDER_REPO_URL")


def gather(session: Session, app: str = "", name: str = "", *, last_error: object = None) -> Facts:
    """What is the case, for ``session``; with ``name`` also of that function of the application ``app``.

    Without ``app`` that is the usual one, or the only one that has such a function. ``last_error`` counts
    only if it is of that function.

    Never raises for what it finds. An executor that is not running is started, as by any other use.
    """
    machine = _machine(session.settings, _engine_of(session))
    error = last_error if isinstance(last_error, NbfnError) else None
    context = server = None
    past: Sequence[Failed] = ()
    try:
        context = session.context
        past = failures.recall(session.settings.state, context.name, name) if name else ()
        server = session.server
        executor = _executor(server) if server.own else None
        if not server.own and not context.is_oracle:
            server.control.apps.list(limit=1)
    except NbfnError as failure:
        place = app or _only(past) or session.settings.app
        past = [each for each in past if each.app == place]
        if name and error is not None and not (context and error.about == (context.name, place, name)):
            error = None
        return Facts(machine, context, context_error=failure, failures=past, last_error=error)
    cloud = _cloud(session, server) if context.is_oracle else None
    # What is asked of a server that refuses everything would be refused once more.
    known = name and not (cloud and cloud.error)
    asked = look_at(session, server, app, name, _only(past), docker=not machine.docker) if known else None
    place = asked.app if asked else app or _only(past) or session.settings.app
    past = [each for each in past if each.app == place]
    if name and error is not None and not _is_of(error, (context.name, place, name), asked):
        error = None
    return Facts(machine, context, None, executor, cloud, asked, past, error)


def _only(past: Sequence[Failed]) -> str:
    """The application of what failed, if it is one."""
    apps = {each.app for each in past}
    return apps.pop() if len(apps) == 1 else ""


def _is_of(error: NbfnError, about: tuple[str, str, str], asked: Asked | None) -> bool:
    """True if it is known that the error is of the function that is asked about."""
    call_id = error.call_id if isinstance(error, CallError) else ""
    ours = bool(call_id and asked and any(call.id == call_id for call in asked.calls))
    return ours or error.about == about


def _machine(settings: Settings, of_context: str) -> Machine:
    engine, why, hint = _engine(of_context)
    folder = settings.state
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return Machine(
        python=sys.version_info[:2],
        system=platform.system(),
        architecture=machine_platform()["architecture"],
        engine=engine,
        docker=why,
        engine_hint=hint,
        binder=any(config.variable(name) for name in _BINDER),
        free_mb=shutil.disk_usage(folder).free >> 20,
    )


def _engine_of(session: Session) -> str:
    try:
        return session.context.engine
    except NbfnError:  # which is said of the context
        return ""


def _engine(of_context: str) -> tuple[str, str, str]:
    """Which engine builds, why it cannot be used (empty if it answers), and what to do."""
    try:
        with engines.found("doctor", of_context) as engine:
            return engine.name, _unanswered(engine.url), ""
    except NoEngine as error:
        return "Podman", error.why, error.hint
    except NbfnError as error:
        return "container engine", error.message, error.hint


def _unanswered(where: str) -> str:
    """Why nobody answers at the engine's address; empty if it does."""
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
