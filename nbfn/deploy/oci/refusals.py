"""OCI's errors as nbfn's: one class per kind, in OCI's words, with the hint that its cause asks for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nbfn.deploy.oci import causes
from nbfn.deploy.oci.causes import Failure, Place
from nbfn.errors import (
    CallRefused,
    CallThrottled,
    CallTimeout,
    CallTooLarge,
    Changed,
    Conflict,
    InstanceFailed,
    LimitReached,
    NbfnError,
    NotAuthenticated,
    NotFound,
    RequestTooLarge,
    TargetError,
    TargetUnavailable,
    Throttled,
    WorkFailed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BY_STATUS: Mapping[int, type[TargetError]] = {
    401: NotAuthenticated,
    404: NotFound,
    409: Conflict,
    412: Changed,
    413: RequestTooLarge,
    429: Throttled,
}
_LIMITS = frozenset({"LimitExceeded", "QuotaExceeded"})


def read_failure(status: int, headers: Mapping[str, str], body: bytes | bytearray, operation: str) -> Failure:
    """What an answer says that is an error: ``{"code", "message"}``, or something else that is cut short."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        code, message = str(document.get("code") or ""), str(document.get("message") or "")
    else:
        code, message = "", bytes(body[:200]).decode("utf-8", "replace").strip()
    return Failure(
        status,
        code,
        causes.without_secrets(message) or f"status {status}",
        operation,
        headers.get("opc-request-id", ""),
        headers.get("date", ""),
    )


def refusal(failure: Failure, where: str, place: Place, now: float) -> TargetError:
    """The error of a management request."""
    kind = _BY_STATUS.get(failure.status, TargetUnavailable if failure.status >= 500 else TargetError)
    if failure.code in _LIMITS:
        kind = LimitReached
    return kind(
        f"{where} refused {failure.operation}: {_said(failure)}",
        hint=causes.hint(failure, place, now),
        status=failure.status,
        code=failure.code,
        request_id=failure.request_id,
    )


def call_failure(failure: Failure, function: str, place: Place, now: float, call_id: str = "") -> NbfnError:
    """The error of a call that has no answer of the function's own."""
    hint, status = causes.hint(failure, place, now), failure.status
    if status in (401, 404):
        kind = _BY_STATUS[status]
        return kind(
            f"{function}() was not called: {_said(failure)}",
            hint=hint,
            status=status,
            code=failure.code,
            request_id=failure.request_id,
        )
    told, found = f"{function}(): {_said(failure)}", call_id or failure.request_id
    if status == 504:
        return CallTimeout(told, hint=hint, call_id=found, status=status)
    if status == 429:
        return CallThrottled(told, hint=hint, call_id=found, status=status)
    if status == 413:
        return CallTooLarge(told, hint=hint, call_id=found, status=status)
    if status >= 500 and status != 503:
        return InstanceFailed(told, hint=hint, call_id=found, status=status)
    return CallRefused(told, hint=hint, call_id=found, status=status)


_AFTER_WORK = (
    "look at how it is now (`nbfn inspect app APP`, `nbfn inspect function APP FUNCTION`), then ask for it "
    "again; OCI's console has the work request with its log"
)


def work_failure(
    status: str, errors: Sequence[Mapping[str, object]], operation: str, place: Place, now: float
) -> WorkFailed:
    """The error of a work request that did not succeed, with what was written down of it."""
    first = errors[0] if errors else {}
    code, message = str(first.get("code") or ""), str(first.get("message") or "no reason was given")
    failure = Failure(0, code, causes.without_secrets(message), operation)
    return WorkFailed(
        f"{operation} was accepted and then {status.lower()}: {failure.message}"
        + (f" ({code})" if code else ""),
        hint=causes.hint(failure, place, now) or _AFTER_WORK,
        code=code,
        problems=[f"{each.get('code')}: {each.get('message')}" for each in errors],
    )


def _said(failure: Failure) -> str:
    code = f"{failure.status} {failure.code}".strip()
    request = f", request {failure.request_id}" if failure.request_id else ""
    return f"{failure.message} ({code}{request})"
