"""The checks of what was done before: calls, invocations and deployments that failed. Pure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nbfn.checks.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbfn.checks.facts import Asked, Called, Facts
    from nbfn.failures import Failed

_CHARS = 400
_HINTS = {
    413: "send less, or let the function fetch the data itself",
    429: "call less often, or with fewer calls at once",
    444: "whoever called did not wait for the answer",
    503: "wait for running calls to end, or lower the function's memory",
}


def failed_before(facts: Facts) -> Iterator[Finding]:
    """Did the function's last call, invocation or deployment fail?"""
    call = _last(facts.asked)
    for failed in facts.failures:
        if not _is_told_by(call, failed):
            yield Finding(
                f"last {failed.what}", "warn", f"{_when(failed.at)}: {_line(failed.message)}", failed.hint
            )
    if facts.asked is not None and call is not None and call.failed:
        said = _line(call.message) or f"status {call.status}"
        yield Finding("last call", "warn", f"{_when(call.at)}: {said}", _advice(facts, facts.asked, call))


def last_error(facts: Facts) -> Iterator[Finding]:
    """What went wrong last, and what its cause asks for."""
    error = facts.last_error
    if error is None:
        return
    call, call_id = _last(facts.asked), getattr(error, "call_id", "")
    told = any(
        each.message == error.message or (call_id and each.call_id == call_id) for each in facts.failures
    )
    if not told and not (call_id and call and call.failed and call.id == call_id):
        yield Finding("last error", "warn", error.message, error.hint)


def _last(asked: Asked | None) -> Called | None:
    return asked.calls[0] if asked and asked.calls else None


def _is_told_by(call: Called | None, failed: Failed) -> bool:
    """True if the executor's record of a call says the same, or what became of it since."""
    return failed.what == "invoke" and call is not None and (call.id == failed.call_id or call.at > failed.at)


def _advice(facts: Facts, asked: Asked, call: Called) -> str:
    hint = next((each.hint for each in facts.failures if each.call_id == call.id), "")
    error = facts.last_error
    if not hint and error is not None and getattr(error, "call_id", "") == call.id:
        hint = error.hint
    if not hint and call.status == 504:
        longer = (
            f"`nbfn update function {asked.app} {asked.name} --timeout SECONDS` gives it more, at most 300"
        )
        hint = f"its limit is {asked.timeout_s} s: {longer}"
    wrote = f"what it wrote: `nbfn logs {asked.app} {asked.name} --call {call.id}`"
    return "; ".join(filter(None, (hint or _HINTS.get(call.status, ""), wrote)))


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _line(text: str) -> str:
    """One line of it, not too long."""
    said = " ".join(text.split())
    return said if len(said) <= _CHARS else f"{said[:_CHARS]}…"
