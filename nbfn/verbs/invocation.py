"""Invoking a function by name, with bytes in and bytes out, as anything that speaks HTTP does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from nbfn import session as sessions
from nbfn.deploy.plan import ENDPOINT_ANNOTATION
from nbfn.deploy.rest import NOTHING_SENT
from nbfn.errors import ExecutorLost, ExecutorNotRunning, TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.session import Session

DEFAULT_TYPE = "text/plain"
# The function's own timeout ends a call; this ends only what cannot begin.
_TIMEOUT = httpx.Timeout(None, connect=5.0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function answered. ``status`` is 200 if it did not fail."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    call_id: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


def invoke_function(
    app: str,
    name: str,
    body: bytes | str = b"",
    *,
    content_type: str = DEFAULT_TYPE,
    headers: Mapping[str, str] | None = None,
    endpoint: str = "",
    session: Session | None = None,
) -> Answer:
    """Call a function once with ``body``. A function that fails is an answer too: see its ``status``.

    With the header ``Fn-Invoke-Type: detached`` nobody waits: the status is 202, and ``nbfn.call(call_id)``
    tells what became of it.

    ``endpoint`` is the URL to post to, if not the one that the server says; the names are then not used.

    Raises:
        NotFound: there is no such application or function.
        ExecutorNotRunning: nobody listens there: nothing was sent.
        ExecutorLost: the connection broke: it may have run.
    """
    ours = session or sessions.current()
    server = ours.server
    url = endpoint
    if not url:
        held = server.control.function(app, name)
        url = str((held.get("annotations") or {}).get(ENDPOINT_ANNOTATION) or "")
        if not url:
            raise TargetError(f"{server.control.where} does not say where {app} {name} is invoked")
        if server.own:
            url = f"{server.endpoint.url}/invoke/{held['id']}"
    told = {"Content-Type": content_type, **(headers or {})}
    content = body.encode() if isinstance(body, str) else body
    try:
        if _same_place(url, server.endpoint.url):
            answer = server.client.post(url, content=content, headers=told, timeout=_TIMEOUT)
        else:  # the token is the server's alone
            answer = httpx.post(url, content=content, headers=told, timeout=_TIMEOUT, trust_env=False)
    except NOTHING_SENT as error:
        raise ExecutorNotRunning(f"nothing answers at {url}: {error}", hint="is that its address?") from error
    except httpx.HTTPError as error:
        raise ExecutorLost(f"{url} went away during the call, which may have run: {error}") from error
    return Answer(
        answer.status_code, answer.content, dict(answer.headers), answer.headers.get("Fn-Call-Id", "")
    )


def _same_place(url: str, base: str) -> bool:
    one, other = urlsplit(url), urlsplit(base)
    return (one.scheme, one.netloc) == (other.scheme, other.netloc)
