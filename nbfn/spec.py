"""The frozen nouns that the stages hand to each other.

``FunctionSpec`` and ``Capture`` go into :mod:`nbfn.containerize`, an ``ImageRef`` comes out; a target
turns both into a ``Deployment``; a call gives a ``CallResult``; everything that happens is an ``Event``.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from nbfn.errors import BadInput, LimitError, NameRefused
from nbfn.scale import Scale

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Progress = Callable[[str, int, int], None]
    """Told what is done, and of how many bytes or items how many are: ``(what, done, total)``; total 0 if
    nobody knows."""

# Fn's ranges (fnproject/fn models): zero means "the default", outside the range is refused.
MEMORY_MB = range(1, 8192 + 1)
TIMEOUT_S = range(1, 300 + 1)
IDLE_TIMEOUT_S = range(1, 3600 + 1)
NAME_MAX_BYTES = 255

_APP_NAME = re.compile(r"[\w-]+")
# What Go's url.PathEscape leaves alone, so that Fn takes it as a function name.
_FN_NAME = re.compile(r"[A-Za-z0-9\-_.~$&+:=@]+")

ColdReason = Literal[
    "first-call",
    "scale-out",
    "idle-expired",
    "new-revision",
    "evicted",
    "crashed",
    "stopped",
    "executor-restarted",
]
"""Why a call had to wait for a new instance."""


class PythonVersion(NamedTuple):
    """The minor version that pickled code and compiled packages are tied to."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one instance may use. Checked when made.

    Raises:
        LimitError: a value outside Fn's range.
    """

    memory_mb: int = 256
    timeout_s: int = 30
    idle_timeout_s: int = 30

    def __post_init__(self) -> None:
        _check_limit("memory", self.memory_mb, MEMORY_MB, "MB")
        _check_limit("timeout", self.timeout_s, TIMEOUT_S, "s")
        _check_limit("idle timeout", self.idle_timeout_s, IDLE_TIMEOUT_S, "s")


def _check_limit(what: str, value: object, allowed: range, unit: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise LimitError(
            f"{what} is {value!r} {unit}",
            hint=f"use a whole number from {allowed[0]} to {allowed[-1]}",
        )


def check_app_name(name: str) -> str:
    """``name`` itself, if Fn takes it for an application.

    Raises:
        NameRefused: it does not.
    """
    if not _APP_NAME.fullmatch(name) or len(name.encode()) > NAME_MAX_BYTES:
        raise NameRefused(
            f"{name!r} cannot name an application",
            hint="use letters, digits, '_' and '-', at most 255 bytes",
        )
    return name


def check_function_name(name: str) -> str:
    """``name`` itself, if Fn takes it for a function.

    Raises:
        NameRefused: it does not.
    """
    if not _FN_NAME.fullmatch(name) or len(name.encode()) > NAME_MAX_BYTES:
        raise NameRefused(
            f"{name!r} cannot name a function",
            hint="use letters, digits and '-', '_', '.', '~', '$', '&', '+', ':', '=', '@', "
            "at most 255 bytes",
        )
    return name


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What a person asked for: a function by name, in an application, with its limits."""

    name: str
    app: str
    limits: Limits = field(default_factory=Limits)
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Environment variables of its instances. Some may be secret, so no repr shows any."""
    requires: tuple[str, ...] = ()
    """Requirements beyond those that its imports show, as PEP 508 strings."""
    base: str = "host"
    """Base image: ``host``, or what :mod:`nbfn.containerize.bases` understands."""
    scale: Scale = field(default_factory=Scale)
    annotations: Mapping[str, object] = field(default_factory=dict)
    """What a server has beyond all this, by its own names, as in ``func.yaml``."""

    def __post_init__(self) -> None:
        check_function_name(self.name)
        check_app_name(self.app)


@dataclass(frozen=True, slots=True)
class SourceSpan:
    """Lines of ``func.py`` that came from a cell or file: for tracebacks in the user's own lines."""

    start: int
    """First line in ``func.py``, 1-based."""
    end: int
    """Last line, inclusive."""
    filename: str
    """As the kernel knows it, so that ``linecache`` has the text."""
    first_line: int
    """Line of ``filename`` that ``start`` came from."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One thing that a capture took, for the table that shows it."""

    name: str
    kind: Literal["function", "class", "import", "constant", "data", "pickle", "package", "secret"]
    origin: str
    """Where it came from: ``cell 3``, ``numpy 2.4.6``, a file."""
    size: int = 0
    """Bytes, where it takes any worth telling."""
    note: str = ""
    """What a person should know about it: that it is large, that a later cell changed it."""


@dataclass(frozen=True, slots=True)
class Left:
    """One thing that a capture did not take, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Capture:
    """A function made fit to travel: readable source, data files and pinned requirements.

    ``fingerprint`` answers "changed?": equal for equal source, values and requirements, in any
    kernel. It never hashes a pickle of a function.
    """

    handler: str
    """Name of the target in ``func.py``."""
    style: Literal["values", "context"]
    """``values``: called with its own arguments. ``context``: an FDK's ``handler(ctx, data)``."""
    source: str
    """The text of ``func.py``."""
    python: PythonVersion
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Data files, by path relative to ``func.py`` (``data/NAME.json``, ``data/NAME.pickle``)."""
    requirements: tuple[str, ...] = ()
    """``name==version``, sorted."""
    preload: tuple[str, ...] = ()
    """Modules that ``func.py`` imports and that are worth importing before a fork, sorted."""
    by_value: bool = False
    """True if the function itself is a cloudpickle: it then runs on this Python minor only."""
    pickles: bool = False
    """True if a data file is a pickle of third-party objects (tied to the pinned packages)."""
    source_map: tuple[SourceSpan, ...] = ()
    """Not part of the fingerprint: cells have other numbers in another kernel."""
    taken: tuple[Taken, ...] = ()
    left: tuple[Left, ...] = ()
    """What the text speaks of and the function does without."""
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Values of marked secrets, by environment variable; empty where only the name is known. Not part of the
    fingerprint, and never shown."""
    stands_for: str = ""
    """The fingerprint that it has instead: of what was exported, if it is that, with all packages named."""

    @property
    def fingerprint(self) -> str:
        """``sha256:`` over source, files, requirements, style and (if it matters) Python's minor."""
        if self.stands_for:
            return self.stands_for
        digest = hashlib.sha256()
        facts = [
            self.handler,
            self.style,
            self.source,
            list(self.requirements),
            list(self.preload),
            str(self.python) if self.by_value else "",
            [[path, hashlib.sha256(self.files[path]).hexdigest()] for path in sorted(self.files)],
        ]
        digest.update(json.dumps(facts, ensure_ascii=True).encode())
        return f"sha256:{digest.hexdigest()}"


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A container image by repository and digest (or tag): ``nbfn.local/app/greet@sha256:…``."""

    repository: str
    digest: str = ""
    tag: str = ""

    @classmethod
    def parse(cls, text: str) -> ImageRef:
        """Read ``repository[:tag][@digest]``.

        Raises:
            BadInput: it has no repository.
        """
        rest, _, digest = text.partition("@")
        head, slash, last = rest.rpartition("/")
        last, _, tag = last.partition(":")
        if not last or (digest and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest)):
            raise BadInput(f"{text!r} is not an image reference", hint="use NAME[:TAG][@sha256:…]")
        return cls(f"{head}{slash}{last}", digest, tag)

    @property
    def short(self) -> str:
        """The first 12 hex digits of the digest."""
        return self.digest.removeprefix("sha256:")[:12]

    def __str__(self) -> str:
        text = self.repository + (f":{self.tag}" if self.tag else "")
        return text + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True, slots=True)
class Deployment:
    """A function as a target holds it. ``key`` authenticates pickles and is never shown."""

    spec: FunctionSpec
    image: ImageRef
    fn_id: str
    app_id: str
    url: str
    """Where ``POST`` invokes it (absolute)."""
    fingerprint: str
    key: bytes = field(repr=False, default=b"")
    changed: bool = True
    """False if the target already had exactly this."""


Stage = Literal["queue", "start", "import", "run", "total"]


@dataclass(frozen=True, slots=True)
class CallResult:
    """What one call gave and what it cost. ``timings_ms`` has only the stages that are known."""

    call_id: str
    start: Literal["cold", "warm", ""]
    """Empty if the target does not tell."""
    reason: str
    """For a cold start a :data:`ColdReason`, for a warm one empty."""
    timings_ms: Mapping[Stage, float]
    instance_id: str = ""
    calls_served: int = 0
    """Calls that the instance had answered before this one."""
    output: str = ""
    """What the function printed, or the last part of it."""
    output_cut: int = 0
    """Bytes of output before ``output`` that were left out."""
    value: object = None
    error: BaseException | None = None

    def summary(self) -> str:
        """One line: ``cold (first call) 41.3 ms: queue 0.1, start 38.0, run 2.1``."""
        total = self.timings_ms.get("total")
        took = f" {total:.1f} ms" if total is not None else ""
        why = f" ({self.reason.replace('-', ' ')})" if self.reason else ""
        parts = ", ".join(f"{k} {v:.1f}" for k, v in self.timings_ms.items() if k != "total")
        return f"{self.start or 'done'}{why}{took}" + (f": {parts}" if parts else "")


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call as its target keeps it: how it went, not what it returned."""

    id: str
    fn_id: str
    function: str
    """Name of the function; empty if it is not there any more."""
    status: int
    """HTTP status of its answer; 0 while it waits or runs."""
    message: str
    """What went wrong, if something did."""
    result: CallResult
    """What it cost, without value, error and output."""
    at: float = 0.0
    """When it came, in seconds since the epoch."""


MISSED = "events.missed"
"""Kind of the event that stands where others are not kept any more, or were another executor's."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in the executor; ``kind`` and ``data`` as in ``docs/wire.md``."""

    seq: int
    """Grows by one in one executor, and begins anew with the next."""
    at: float
    """Seconds since the epoch."""
    kind: str
    fn_id: str = ""
    instance_id: str = ""
    call_id: str = ""
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One piece of output, as a target kept it."""

    at: float
    """Seconds since the epoch."""
    stream: str
    text: str
    call_id: str
    instance_id: str


@dataclass(frozen=True, slots=True)
class RunningInstance:
    """One instance of a function, as a target sees it now."""

    id: str
    state: Literal["starting", "idle", "busy", "stopping"]
    started_at: float
    """Seconds since the epoch."""
    calls: int
    """Calls that it has answered."""
    memory_bytes: int
