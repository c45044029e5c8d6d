"""From the headers and the end of an answer to what a call cost and what it printed."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Literal

from nbfn.spec import CallResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.spec import Stage

_STAGES: tuple[tuple[Stage, str], ...] = (
    ("queue", "nbfn-queue-ms"),
    ("start", "nbfn-start-ms"),
    ("import", "nbfn-import-ms"),
    ("run", "nbfn-run-ms"),
    ("total", "nbfn-total-ms"),
)


def result_of(
    headers: Mapping[str, str], took_ms: float, *, value: object = None, error: BaseException | None = None
) -> CallResult:
    """``headers`` have lower-case names; ``took_ms`` is the total where the target does not tell."""
    served = _number(headers, "nbfn-calls-served")
    start = _start(headers.get("nbfn-start", ""), served)
    timings: dict[Stage, float] = {}
    for stage, name in _STAGES:
        stage_ms = _number(headers, name)
        if stage_ms is not None and not (stage in ("start", "import") and start == "warm"):
            timings[stage] = stage_ms
    timings.setdefault("total", took_ms)
    output_cut = int(_number(headers, "nbfn-output-cut") or 0)
    return CallResult(
        call_id=headers.get("fn-call-id", ""),
        start=start,
        reason=headers.get("nbfn-cold-reason", ""),
        timings_ms=timings,
        instance_id=headers.get("nbfn-instance-id", ""),
        calls_served=int(served or 0),
        output=_output(headers.get("nbfn-output", ""), cut=output_cut > 0),
        output_cut=output_cut,
        value=value,
        error=error,
    )


def _start(told: str, served: float | None) -> Literal["cold", "warm", ""]:
    """What the target tells; else what the runtime's count does."""
    if told == "cold" or (not told and served == 0):
        return "cold"
    return "warm" if told == "warm" or served else ""


def _number(headers: Mapping[str, str], name: str) -> float | None:
    try:
        return float(headers[name])
    except (KeyError, ValueError):
        return None


def _output(text: str, *, cut: bool) -> str:
    if not text:
        return ""
    try:
        tail = base64.b64decode(text)
    except ValueError:
        return ""
    if cut:  # it may begin in the middle of a character
        tail = tail.lstrip(bytes(range(0x80, 0xC0)))
    return tail.decode("utf-8", "replace")
