"""The metrics as Prometheus reads them: text format 0.0.4. ``docs/metrics.md`` explains each."""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn import __version__
from nbfn.executor.metrics import BOUNDS_S, Histogram

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.executor.metrics import Metrics, Tally

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STATES = ("starting", "idle", "busy", "stopping")
_STARTED_AT = time.time()

Labels = dict[str, str]
Samples = Iterable[tuple[Labels, float | Histogram]]


@dataclass(slots=True)
class Census:
    """What is there at this moment, by function id."""

    queued: Counter[str] = field(default_factory=Counter)
    running: Counter[str] = field(default_factory=Counter)
    instances: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By function and state."""
    memory_mb: int = 0
    """What all instances may hold together."""
    used_mb: int = 0
    """What those that are there are counted with."""

    def among(self, known: Mapping[str, Tally]) -> Census:
        """The same, with everything of functions that are not ``known`` added up as ``other``."""

        def name(fn_id: str) -> str:
            return fn_id if fn_id in known else "other"

        found = Census(memory_mb=self.memory_mb, used_mb=self.used_mb)
        for fn_id, count in self.queued.items():
            found.queued[name(fn_id)] += count
        for fn_id, count in self.running.items():
            found.running[name(fn_id)] += count
        for (fn_id, state), count in self.instances.items():
            found.instances[name(fn_id), state] += count
        return found


@dataclass(frozen=True, slots=True)
class OfFunction:
    """A metric that each function has."""

    name: str
    kind: str
    about: str
    samples: Callable[[Tally, Census], Samples]
    """With what labels beside ``app_id`` and ``fn_id``."""


def _by(label: str, counted: Mapping[str, int] | Mapping[int, int]) -> Samples:
    return [({label: str(key)}, count) for key, count in sorted(counted.items())]


def _calls(tally: Tally, now: Census) -> Samples:
    return [({}, tally.outcomes.total() + now.queued[tally.fn_id] + now.running[tally.fn_id])]


OF_FUNCTIONS = (
    OfFunction("nbfn_function_info", "gauge", "Names of a function: 1.",
               lambda t, _: [({"app": t.app, "fn": t.name}, 1)]),
    OfFunction("fn_calls", "counter", "Calls that came.", _calls),
    OfFunction("fn_queued", "gauge", "Calls that wait for an instance.",
               lambda t, now: [({}, now.queued[t.fn_id])]),
    OfFunction("fn_running", "gauge", "Calls that run.",
               lambda t, now: [({}, now.running[t.fn_id])]),
    OfFunction("fn_completed", "counter", "Calls that the function answered.",
               lambda t, _: [({}, t.outcomes["completed"])]),
    OfFunction("fn_errors", "counter", "Calls that failed.",
               lambda t, _: [({}, t.outcomes["errors"])]),
    OfFunction("fn_timeouts", "counter", "Calls that ran out of time, or whose instance did.",
               lambda t, _: [({}, t.outcomes["timeouts"])]),
    OfFunction("fn_canceled", "counter", "Calls that were ended, or whose caller went away.",
               lambda t, _: [({}, t.outcomes["canceled"])]),
    OfFunction("fn_server_busy", "counter", "Calls refused: the queue was full, or no memory came in time.",
               lambda t, _: [({}, t.outcomes["server_busy"])]),
    OfFunction("nbfn_call_status_total", "counter", "Calls by the status of their answer.",
               lambda t, _: _by("status", t.statuses)),
    OfFunction("nbfn_call_duration_seconds", "histogram", "Calls that got an instance, in all.",
               lambda t, _: [({"start": "cold"}, t.cold), ({"start": "warm"}, t.warm)]),
    OfFunction("nbfn_call_queue_seconds", "histogram", "Waiting, but for the start of an instance.",
               lambda t, _: [({}, t.queue)]),
    OfFunction("nbfn_cold_starts_total", "counter", "Instances that were started, by reason.",
               lambda t, _: _by("reason", t.cold_starts)),
    OfFunction("fn_container_start_duration_seconds", "histogram", "From the order to the socket.",
               lambda t, _: [({}, t.start)]),
    OfFunction("fn_container_busy_duration_seconds", "histogram", "In which an instance had a call.",
               lambda t, _: [({}, t.busy)]),
    OfFunction("fn_container_idle_duration_seconds", "histogram", "In which an instance had none.",
               lambda t, _: [({}, t.idle)]),
    OfFunction("fn_container_evictions", "counter", "Idle instances that made room for another function.",
               lambda t, _: [({"container_state": "idle"}, t.stops["evicted"])]),
    OfFunction("nbfn_instance_stops_total", "counter", "Instances that were stopped, by why.",
               lambda t, _: _by("why", t.stops)),
    OfFunction("nbfn_instances", "gauge", "Instances that are there, by state.",
               lambda t, now: [({"state": each}, now.instances[t.fn_id, each]) for each in _STATES]),
)  # fmt: skip


def exposition(metrics: Metrics, census: Census) -> str:
    """Everything, as text."""
    now = census.among(metrics.functions)
    tallies = [each for each in metrics.functions.values() if _seen(each, now)] + [metrics.others]
    lines: list[str] = []
    for each in OF_FUNCTIONS:
        lines += _family(each.name, each.kind, each.about)
        for tally in tallies:
            own = {"app_id": tally.app_id, "fn_id": tally.fn_id}
            for more, value in each.samples(tally, now):
                lines += _lines(each.name, {**own, **more}, value)
    for name, kind, about, samples in (*_of_requests(metrics), *_of_executor(metrics, now)):
        lines += _family(name, kind, about)
        for labels, value in samples:
            lines += _lines(name, labels, value)
    return "\n".join([*lines, ""])


def _seen(tally: Tally, now: Census) -> bool:
    """A function that was never called has no series: there may be many of those."""
    calls = tally.outcomes or now.queued[tally.fn_id] or now.running[tally.fn_id]
    return bool(calls or tally.cold_starts)


def _of_requests(metrics: Metrics) -> list[tuple[str, str, str, Samples]]:
    asked: Counter[tuple[str, str]] = Counter()
    answered = []
    for (path, method, status), histogram in sorted(metrics.requests.items()):
        asked[path, method] += sum(histogram.counts)
        answered.append(({"path": path, "method": method, "status": str(status)}, histogram))
    requests = [({"path": path, "method": method}, count) for (path, method), count in asked.items()]
    responses = [(labels, sum(histogram.counts)) for labels, histogram in answered]
    return [
        ("fn_api_request_count", "counter", "Requests of the control plane.", requests),
        ("fn_api_response_count", "counter", "Answers of the control plane, by status.", responses),
        ("fn_api_latency_seconds", "histogram", "What the control plane took to answer.", answered),
    ]


def _of_executor(metrics: Metrics, now: Census) -> list[tuple[str, str, str, Samples]]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    build = {"version": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    found: list[tuple[str, str, str, float]] = [
        ("nbfn_memory_budget_bytes", "gauge", "What all instances may hold together.", now.memory_mb << 20),
        ("nbfn_memory_reserved_bytes", "gauge", "What instances are counted with.", now.used_mb << 20),
        ("nbfn_syslog_sent_total", "counter", "Lines that went to a syslog.", metrics.syslog_sent),
        ("nbfn_syslog_dropped_total", "counter", "Lines no syslog took in time.", metrics.syslog_dropped),
        ("nbfn_records_lost_total", "counter", "Calls and output not recorded.", metrics.records_lost),
        ("process_cpu_seconds_total", "counter", "Of the executor itself.", used.ru_utime + used.ru_stime),
        ("process_resident_memory_bytes", "gauge", "Of the executor itself.", _resident_bytes()),
        ("process_open_fds", "gauge", "Of the executor itself.", _open_descriptors()),
        ("process_start_time_seconds", "gauge", "When the executor started, since the epoch.", _STARTED_AT),
    ]
    plain: list[tuple[str, str, str, Samples]] = [
        (name, kind, about, [({}, value)]) for name, kind, about, value in found
    ]
    return [*plain, ("nbfn_build_info", "gauge", "Versions: 1.", [(build, 1)])]


def _family(name: str, kind: str, about: str) -> list[str]:
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]


def _lines(name: str, labels: Labels, value: float | Histogram) -> list[str]:
    if not isinstance(value, Histogram):
        return [f"{name}{_braced(labels)} {value!r}"]
    sums = list(accumulate(value.counts))
    bounds = (*(f"{bound:g}" for bound in BOUNDS_S), "+Inf")
    return [
        *(
            f"{name}_bucket{_braced({**labels, 'le': bound})} {count}"
            for bound, count in zip(bounds, sums, strict=True)
        ),
        f"{name}_sum{_braced(labels)} {value.sum_s!r}",
        f"{name}_count{_braced(labels)} {sums[-1]}",
    ]


def _braced(labels: Labels) -> str:
    told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
