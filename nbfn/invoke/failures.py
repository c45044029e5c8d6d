"""Answers that are not the function's own: which error each is, and what to do about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from nbfn.errors import CallCancelled, CallRefused, CallTimeout, InstanceFailed, NbfnError, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.spec import Deployment

_CANCELLED = 444  # Fn's number for a caller that does not wait any more


class Explain(Protocol):
    """Which error an answer other than 200 stands for."""

    def __call__(
        self,
        status: int,
        body: bytes | bytearray,
        headers: Mapping[str, str],
        deployment: Deployment,
        call_id: str,
        /,
    ) -> NbfnError: ...


_HINTS = {
    401: "the executor's token has changed: start a new session, or restart the kernel",
    403: "the executor's token has changed: start a new session, or restart the kernel",
    413: "send less, or let the function fetch the data itself",
    429: "call less often, or with fewer calls at once",
    503: "wait for running calls to end, or lower the function's memory",
}


def failure(
    status: int, body: bytes | bytearray, headers: Mapping[str, str], deployment: Deployment, call_id: str
) -> NbfnError:
    """The error that an answer other than 200 stands for."""
    spec = deployment.spec
    said = _message(body) or f"status {status}"
    if status == 404:
        return NotFound(
            f"function {spec.name!r} (app {spec.app!r}) is not at {deployment.url}: {said}",
            hint="deploy it again",
            status=status,
        )
    told = f"{spec.name}(): {said}"
    if status == 504:
        return CallTimeout(
            told,
            hint=f"its limit is {spec.limits.timeout_s} s: deploy it with a larger timeout=, at most 300",
            call_id=call_id,
            status=status,
        )
    if status >= 500 and status != 503:
        hint = "; ".join(filter(None, (_hint(body), f"what it wrote before that is in {spec.name}.logs()")))
        return InstanceFailed(told, hint=hint, call_id=call_id, status=status)
    if status == _CANCELLED:
        return CallCancelled(told, call_id=call_id, status=status)
    hint, retry_after = _HINTS.get(status, ""), headers.get("retry-after", "")
    if retry_after:
        hint += f"; the executor suggests to try again in {retry_after} s"
    return CallRefused(
        told,
        hint=hint.removeprefix("; "),
        call_id=call_id,
        status=status,
        retry_after_s=float(retry_after) if retry_after.isdecimal() else 0.0,
        began="nbfn-start" in headers,
    )


def _message(body: bytes | bytearray) -> str:
    """What Fn's ``{"message": …}`` says, or the first line of anything else."""
    if said := _said(body, "message"):
        return said
    lines = bytes(body[:500]).decode("utf-8", "replace").split("\n")
    return lines[0].strip()


def _hint(body: bytes | bytearray) -> str:
    """What nbfn's own executor says to do about it."""
    return _said(body, "hint")


def _said(body: bytes | bytearray, name: str) -> str:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    said = document.get(name) if isinstance(document, dict) else None
    return said if isinstance(said, str) else ""
