"""What OCI has seen of a function: its output in the Logging service, its numbers in Monitoring.

Both are services of their own, with policies of their own, and tell what happened a minute ago or so. An
application's log is kept only once it has been enabled.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nbfn.errors import BadInput
from nbfn.spec import LogLine

if TYPE_CHECKING:
    from nbfn.deploy.oci.api import Api

LOGGING_VERSION = "20190909"
METRICS_VERSION = "20180401"
NAMESPACE = "oci_faas"
_DAY_S = 24 * 3600.0
_PAGE_MAX = 1000


@dataclass(frozen=True, slots=True)
class Counts:
    """What a function did in the last ``minutes``, as Monitoring has counted it."""

    minutes: int
    calls: int
    errors: int
    throttled: int
    mean_ms: float | None
    """Of a call; None if there was none."""


@dataclass(frozen=True, slots=True)
class Watching:
    """Both services, asked about functions of one compartment."""

    logging: Api
    metrics: Api
    compartment_id: str

    def logs(
        self, fn_id: str, *, call_id: str = "", limit: int = _PAGE_MAX, since_s: float = _DAY_S
    ) -> Sequence[LogLine]:
        """The last ``limit`` lines of the last ``since_s`` seconds, oldest first.

        What OCI itself writes of a call (received, served) has the stream ``service``.

        Raises:
            NotFound: one may not read it.
            TargetError: refused otherwise.
        """
        now = time.time()
        asked = {
            "timeStart": _stamp(now - since_s),
            "timeEnd": _stamp(now + 60),
            "searchQuery": _query(self.compartment_id, fn_id),
            "isReturnFieldInfo": False,
        }
        # Lines of one call are picked here: which of its two ids OCI logs differs by how it was called.
        many = _PAGE_MAX if call_id else min(limit, _PAGE_MAX)
        answer = self.logging.post("search", asked, limit=str(many))
        found = (answer.document or {}).get("results") or ()
        lines = [line for each in found if (line := _line(each, call_id)) is not None]
        return sorted(lines[:limit], key=lambda line: line.at)

    def counts(self, fn_id: str, *, minutes: int = 60) -> Counts:
        """What was counted in the last ``minutes`` (1 to a week). Raises as :meth:`logs`."""
        if minutes not in range(1, 7 * 24 * 60 + 1):
            raise BadInput(f"minutes is {minutes}", hint="use 1 to 10080, which is a week")
        which = f'resourceId = "{_checked(fn_id)}"'
        calls = self._sum(f"FunctionInvocationCount[1m]{{{which}}}.sum()", minutes)
        errors = self._sum(f'FunctionResponseCount[1m]{{{which}, responseType = "Error"}}.sum()', minutes)
        throttled = self._sum(
            f'FunctionResponseCount[1m]{{{which}, responseType = "Throttled"}}.sum()', minutes
        )
        took_ms = self._sum(f"FunctionExecutionDuration[1m]{{{which}}}.sum()", minutes)
        return Counts(minutes, int(calls), int(errors), int(throttled), took_ms / calls if calls else None)

    def _sum(self, query: str, minutes: int) -> float:
        now = time.time()
        asked = {
            "namespace": NAMESPACE,
            "query": query,
            "startTime": _stamp(now - 60 * minutes),
            "endTime": _stamp(now),
        }
        answer = self.metrics.post(
            "metrics/actions/summarizeMetricsData", asked, compartmentId=self.compartment_id
        )
        return sum(
            float(point["value"])
            for stream in answer.document or ()
            for point in stream.get("aggregatedDatapoints") or ()
        )


def _query(compartment_id: str, fn_id: str) -> str:
    return (
        f"search \"{compartment_id}\" | where data.functionId = '{_checked(fn_id)}' | sort by datetime desc"
    )


def _checked(fn_id: str) -> str:
    """``fn_id`` itself: it goes into a query, where quotes would say something else."""
    if not fn_id.replace(".", "").replace("-", "").replace("_", "").isalnum():
        raise BadInput(f"{fn_id!r} is not the id of a function")
    return fn_id


def _line(result: Mapping[str, Any], call_id: str) -> LogLine | None:
    """A line of the log; None for what cannot be read as one, or is of another call than ``call_id``."""
    told = result.get("data")
    content = told.get("logContent") if isinstance(told, Mapping) else None
    data = content.get("data") if isinstance(content, Mapping) else None
    if not isinstance(told, Mapping) or not isinstance(data, Mapping) or "message" not in data:
        return None
    container = str(data.get("containerId") or "")
    service = container in ("", "n/a")
    request = str(data.get("opcRequestId") or data.get("requestId") or "").split("/")
    if call_id and call_id not in request:
        return None
    return LogLine(
        at=float(told.get("datetime") or 0) / 1000,
        stream="service" if service else str(data.get("src") or "stdout").lower(),
        text=str(data["message"]).rstrip("\n") + "\n",
        call_id=call_id or request[-1],
        instance_id="" if service else container,
    )


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
