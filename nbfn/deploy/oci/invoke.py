"""A function called as anyone would: bytes in, bytes out, now or detached. Never sent twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import httpx

from nbfn.errors import CallTimeout, TargetUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.errors import NbfnError
    from nbfn.spec import Deployment

# A function may run 300 s, and its start may take a while on top.
_TIMEOUT = httpx.Timeout(360.0, connect=10.0)


@dataclass(frozen=True, slots=True)
class Invocation:
    """An answer: 200 with the function's own, or 202 without a body for a detached call."""

    status: int
    body: bytes = field(repr=False)
    content_type: str
    call_id: str
    headers: Mapping[str, str] = field(repr=False)


class Explain(Protocol):
    """See :meth:`nbfn.deploy.oci.target.OciTarget.explain`."""

    def __call__(
        self, status: int, body: bytes, headers: Mapping[str, str], of: Deployment, call_id: str, /
    ) -> NbfnError: ...


def invoke(
    client: httpx.Client,
    url: str,
    body: bytes,
    *,
    explain: Explain,
    deployment: Deployment,
    content_type: str = "application/json",
    kind: Literal["sync", "detached"] = "sync",
    is_dry_run: bool = False,
) -> Invocation:
    """Call the function at ``url`` once through ``client``, which signs.

    ``detached`` returns as soon as OCI has taken the call; its result goes to the function's destinations.
    A dry run asks whether one may call, and calls nothing.

    Raises:
        NotAuthenticated, NotFound: one may not, or there is none.
        CallRefused, CallTimeout, InstanceFailed: it ended without an answer of the function's own.
        TargetUnavailable: nobody is there, or the connection broke: then the function may have run.
    """
    headers = {"Content-Type": content_type, "Fn-Invoke-Type": kind}
    if is_dry_run:
        headers["Is-Dry-Run"] = "true"
    name = deployment.spec.name
    try:
        response = client.post(url, content=body, headers=headers, timeout=_TIMEOUT)
    except httpx.ConnectError as error:
        raise TargetUnavailable(
            f"{httpx.URL(url).host} cannot be reached to call {name}(): {error}",
            hint="is the region right, and does this machine reach it (proxy, firewall)?",
        ) from error
    except httpx.TimeoutException as error:
        raise CallTimeout(
            f"{name}() gave no answer within {_TIMEOUT.read:.0f} s; it may still be running",
            hint="call it detached if it takes so long",
        ) from error
    except httpx.TransportError as error:
        raise TargetUnavailable(
            f"the connection broke during the call of {name}(): {error}",
            hint="it may have run: look before you call it again",
        ) from error
    call_id = response.headers.get("fn-call-id", "")
    if not response.is_success:
        raise explain(response.status_code, response.content, response.headers, deployment, call_id)
    return Invocation(
        response.status_code,
        response.content,
        response.headers.get("content-type", ""),
        call_id,
        dict(response.headers),
    )
