"""What happened in one call, step by step: from its record and its output. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbfn.executor.records import LogRecord


def steps(call: Mapping[str, Any], logs: Iterable[LogRecord]) -> list[dict[str, object]]:
    """In the order of time. ``call`` is as ``/nbfn/v1`` tells it; what is not known of it is left out.

    ``queued`` (waiting for a place), ``starting`` (as far as it was waited for) and at its end
    ``importing``, ``running``, ``log`` and ``finished``. ``at`` is in seconds since the epoch, ``took_ms``
    how long a step took.
    """
    took: Mapping[str, float] = call["timings_ms"]
    queued = call["queued_at"]
    if not took:
        found: list[dict[str, object]] = [{"at": queued, "what": "queued"}]
    else:
        found = [{"at": queued, "what": "queued", "took_ms": took["queue"]}]
    start = queued + took.get("queue", 0) / 1000
    run = start + took.get("start", 0) / 1000
    if call["start"] == "cold" and "start" in took:
        found.append({"at": start, "what": "starting", "took_ms": took["start"]})
        if "import" in took:
            at = max(start, run - took["import"] / 1000)
            found.append({"at": at, "what": "importing", "took_ms": took["import"]})
    if "run" in took:
        found.append({"at": run, "what": "running", "took_ms": took["run"]})
    found += [{"at": log.at, "what": "log", "stream": log.stream, "text": log.text} for log in logs]
    found.sort(key=_at)
    if "total" in took:
        found.append({"at": queued + took["total"] / 1000, "what": "finished"})
    return found


def _at(step: Mapping[str, Any]) -> float:
    return float(step["at"])
