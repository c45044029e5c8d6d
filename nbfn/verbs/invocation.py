"""Invoking a function by name, with bytes in and bytes out, as anything that speaks HTTP does."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from nbfn import failures
from nbfn import session as sessions
from nbfn.deploy.plan import ENDPOINT_ANNOTATION
from nbfn.deploy.rest import NOTHING_SENT
from nbfn.errors import CallError, ExecutorLost, ExecutorNotRunning, NbfnError, TargetError
from nbfn.spec import Deployment, FunctionSpec, ImageRef, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.deploy.control import Object
    from nbfn.session import Session

DEFAULT_TYPE = "text/plain"
_ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function answered. ``status`` is 200 if it did not fail, 202 if nobody waits for it."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    call_id: str = ""
    error: NbfnError | None = field(default=None, repr=False)
    """What a failure means and what to do about it, where the server's own words do not say that."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def message(self) -> str:
        """What a failure says: the message in Fn's JSON, or the beginning of anything else."""
        return self._said("message") or self.text.strip()[:500]

    @property
    def hint(self) -> str:
        """What to do about a failure, if the server says that; else empty."""
        return self._said("hint")

    def _said(self, name: str) -> str:
        try:
            said = json.loads(self.body)[name]
        except (ValueError, LookupError, TypeError, RecursionError):
            return ""
        return said if isinstance(said, str) else ""


def invoke_function(
    app: str,
    name: str,
    body: bytes | str = b"",
    *,
    content_type: str = DEFAULT_TYPE,
    headers: Mapping[str, str] | None = None,
    endpoint: str = "",
    detached: bool = False,
    session: Session | None = None,
) -> Answer:
    """Call a function once with ``body``. A function that fails is an answer too: see its ``status``.

    With the header ``Fn-Invoke-Type: detached`` nobody waits: the status is 202, and ``nbfn.call(call_id)``
    tells what became of it.

    ``endpoint`` is the URL to post to, if not the one that the server says; the names are then not used.
    ``detached`` returns as soon as the server has taken the call: its result goes where the function's own
    destinations say.

    Raises:
        NotFound: there is no such application or function.
        ExecutorNotRunning: nobody listens there: nothing was sent.
        ExecutorLost: the connection broke: it may have run.
    """
    ours = session or sessions.current()
    told = {
        "Content-Type": content_type,
        **({"Fn-Invoke-Type": "detached"} if detached else {}),
        **(headers or {}),
    }
    content = body.encode() if isinstance(body, str) else body
    # An address alone is no function's name.
    state, about = ours.settings.state, ("" if endpoint else ours.context.name, app, name)
    try:
        answer = _invoke(ours, app, name, content, told, endpoint)
    except NbfnError as error:
        failures.remember(state, "invoke", about, error)
        raise
    if not answer.ok:
        said = f"status {answer.status}: {answer.message}"
        meant = answer.error or CallError(said, hint=answer.hint, call_id=answer.call_id)
        failures.remember(state, "invoke", about, meant)
    elif answer.status != _ACCEPTED and not _runs_nothing(told):
        failures.forget(state, "invoke", about)
    return answer


def _runs_nothing(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == "is-dry-run" for name in headers)


def _invoke(
    ours: Session, app: str, name: str, content: bytes, told: Mapping[str, str], endpoint: str
) -> Answer:
    server = ours.server
    url = endpoint
    held: Object = {}
    if not url:
        held = server.control.function(app, name)
        url = str((held.get("annotations") or {}).get(ENDPOINT_ANNOTATION) or "")
        if not url:
            raise TargetError(f"{server.control.where} does not say where {app} {name} is invoked")
        if server.own:
            url = f"{server.endpoint.url}/invoke/{held['id']}"
    try:
        answer = server.post(url, content, told)
    except NOTHING_SENT as error:
        raise ExecutorNotRunning(f"nothing answers at {url}: {error}", hint="is that its address?") from error
    except httpx.HTTPError as error:
        raise ExecutorLost(f"{url} went away during the call, which may have run: {error}") from error
    meant = None if answer.is_success else server.explain(answer, _called(held, app, name, url))
    call_id = answer.headers.get("Fn-Call-Id", "")
    return Answer(answer.status_code, answer.content, dict(answer.headers), call_id, meant)


def _called(held: Object, app: str, name: str, url: str) -> Deployment:
    """What was called, for words about it."""
    usual = Limits()
    limits = Limits(held.get("memory") or usual.memory_mb, held.get("timeout") or usual.timeout_s)
    spec = FunctionSpec(name or "function", app or "app", limits)
    image = ImageRef(str(held.get("image") or ""))
    return Deployment(spec, image, held.get("id", ""), held.get("app_id", ""), url, "")
