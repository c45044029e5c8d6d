"""OCI's Logging and Monitoring in small: what the test server has seen of calls, searched and counted."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.oci.store import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.oci.store import Thing

_QUERY = re.compile(r"""search "([^"]+)" \| where data\.functionId = '([^']+)' \| sort by datetime desc""")
_METRIC = re.compile(r'(\w+)\[1m\]\{resourceId = "([^"]+)"(?:, responseType = "(\w+)")?\}\.sum\(\)')


@dataclass
class Call:
    """One call that was seen."""

    fn_id: str
    at: float
    took_ms: float = 0.0
    ok: bool = True
    output: list[str] = field(default_factory=list)


@dataclass
class Watch:
    """``enabled`` is what a person does in the console: without it nothing is logged."""

    enabled: bool = True
    lines: list[dict[str, Any]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    @contextlib.contextmanager
    def call(self, app: Thing, fn: Thing, call_id: str) -> Iterator[Call]:
        seen = Call(fn.document["id"], time.time())
        self._write(app, fn, call_id, "Received function invocation request", "n/a", seen.at)
        try:
            yield seen
        except Problem:
            seen.ok = False
            raise
        finally:
            ended = time.time()
            seen.took_ms = (ended - seen.at) * 1000
            for number, line in enumerate(seen.output, 1):
                self._write(app, fn, call_id, line, "c0ffee", seen.at + number / 1000)
            said = f"Served function invocation request in {ended - seen.at:.3f} seconds"
            self._write(app, fn, call_id, said, "n/a", max(ended, seen.at + len(seen.output) / 1000 + 0.001))
            self.calls.append(seen)

    def _write(self, app: Thing, fn: Thing, call_id: str, text: str, container: str, at: float) -> None:
        if not self.enabled:
            return
        data = {
            "applicationId": app.document["id"], "containerId": container, "functionId": fn.document["id"],
            "message": text, "opcRequestId": f"/{call_id}/{call_id}", "requestId": f"/{call_id}/{call_id}",
            "src": "STDOUT",
        }  # fmt: skip
        content = {
            "id": f"{call_id}-{len(self.lines)}", "specversion": "1.0",
            "type": "com.oraclecloud.functions.application.functioninvoke",
            "source": app.document["displayName"], "subject": fn.document["displayName"], "data": data,
            "oracle": {"compartmentid": app.document["compartmentId"]},
        }  # fmt: skip
        self.lines.append({"datetime": int(at * 1000), "logContent": content, "regionId": "us-ashburn-1"})


def _search(watch: Watch, asked: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
    found = _QUERY.fullmatch(asked.get("searchQuery", ""))
    if not found:
        raise Problem(400, "InvalidParameter", "the query cannot be parsed")
    begin, end = (_epoch(asked[name]) * 1000 for name in ("timeStart", "timeEnd"))
    lines = [
        line
        for line in watch.lines
        if begin <= line["datetime"] <= end
        and line["logContent"]["data"]["functionId"] == found[2]
        and line["logContent"]["oracle"]["compartmentid"] == found[1]
    ]
    newest = sorted(lines, key=lambda line: -line["datetime"])[: int(query.get("limit", "10"))]
    return {"results": [{"data": line} for line in newest], "summary": {"resultCount": len(newest)}}


def _summarize(watch: Watch, asked: dict[str, Any], query: dict[str, str]) -> list[dict[str, Any]]:
    found = _METRIC.fullmatch(asked.get("query", ""))
    if asked.get("namespace") != "oci_faas" or not found or "compartmentId" not in query:
        raise Problem(400, "InvalidParameter", "the query cannot be parsed")
    name, fn_id, kind = found.groups()
    calls = [call for call in watch.calls if call.fn_id == fn_id]
    if kind:
        calls = [call for call in calls if (kind == "Error") != call.ok and kind != "Throttled"]
    points = [
        {"timestamp": "2026-11-24T00:00:00.000Z", "value": call.took_ms if name.endswith("Duration") else 1.0}
        for call in calls
    ]
    about = {"namespace": "oci_faas", "compartmentId": query["compartmentId"], "name": name}
    return [{**about, "dimensions": {"resourceId": fn_id}, "aggregatedDatapoints": points}] if points else []


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


SERVICES: dict[str, tuple[str, Callable[[Watch, dict[str, Any], dict[str, str]], object]]] = {
    "/20190909/search": ("SearchLogs", _search),
    "/20180401/metrics/actions/summarizeMetricsData": ("SummarizeMetrics", _summarize),
}
