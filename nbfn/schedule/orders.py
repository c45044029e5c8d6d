"""What the scheduler decides, as data for whoever does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from nbfn.spec import ColdReason, Limits


class Revision(Protocol):
    """What instances of one function are made from; equal ones may share instances."""

    @property
    def fn_id(self) -> str: ...
    @property
    def limits(self) -> Limits: ...


R = TypeVar("R", bound=Revision)

StopWhy = Literal[
    "idle-expired",
    "new-revision",
    "evicted",
    "scaled-in",
    "timeout",
    "cancelled",
    "invalid-response",
    "crashed",
    "stopped",
    "shutdown",
    "deleted",
]
State = Literal["starting", "idle", "busy", "stopping"]


@dataclass(frozen=True, slots=True)
class Start(Generic[R]):
    """Start an instance, then report ``ready`` or ``failed``."""

    instance_id: str
    revision: R
    reason: ColdReason | Literal["minimum"]
    """``minimum``: no call waits for it."""


@dataclass(frozen=True, slots=True)
class Assign:
    """Run the call on the instance, then report ``completed``. ``reason`` is empty if it is warm."""

    call_id: str
    instance_id: str
    reason: ColdReason | Literal[""]


@dataclass(frozen=True, slots=True)
class Stop:
    """End the instance, which may still be starting, then report ``gone``."""

    instance_id: str
    why: StopWhy


@dataclass(frozen=True, slots=True)
class Reject:
    """Answer the call with this; it is over."""

    call_id: str
    status: int
    message: str
    retry_after_s: int = 0
    hint: str = ""


Order = Start[R] | Assign | Stop | Reject


@dataclass(frozen=True, slots=True)
class Seen:
    """One instance, as ``Scheduler.instances`` shows it."""

    id: str
    fn_id: str
    state: State
    memory_mb: int
