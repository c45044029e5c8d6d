"""How one instance of a function is run: two protocols that every driver keeps.

A driver starts instances; an instance is one process (tree) that serves Fn's http-stream contract on
a unix socket. A failing *function* is a result on that socket; only failing *machinery* raises here.
Each driver passes ``tests/drivers/conformance.py``. :class:`nbfn.drivers.guard.Guarded` wraps them
all, so that no driver has to write locking or idempotent stops of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from nbfn.errors import NbfnError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from nbfn.spec import ImageRef, Limits, Progress

OutputStream = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What a driver needs to start one instance."""

    instance_id: str
    image: ImageRef
    limits: Limits
    env: Mapping[str, str] = field(default_factory=dict)
    """The function's environment (``FN_*`` and config), without ``FN_LISTENER``: the driver sets it."""
    network: bool = True


@dataclass(frozen=True, slots=True)
class Exit:
    """How an instance ended. ``cause`` is for people: ``exit code 3``, ``killed by SIGSEGV``."""

    code: int | None
    """Exit code, or None if a signal ended it."""
    signal: int | None
    cause: str
    out_of_memory: bool = False
    hint: str = ""
    """What to do about it, where that is known."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an instance holds now."""

    memory_bytes: int
    """Memory that only this instance holds, where the system tells; else its resident size."""
    processes: int
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Isolation:
    """What keeps instances apart on this machine, as probed at start."""

    tier: str
    """``T0``, ``T1``, ``T2``, or the driver's own word (``docker``, ``none``)."""
    mechanisms: tuple[str, ...]
    missing: tuple[str, ...]
    """Mechanisms of a higher tier that the machine does not allow, each with its reason."""


class StartFailed(NbfnError):
    """An instance did not get as far as serving its socket.

    ``stage`` is ``image`` (missing, broken or unfit), ``late`` (the image took too long), ``refused`` (Fn
    runs no such image), ``start`` (the process could not be made), ``init`` (it ended before its socket was
    there) or ``timeout`` (no socket in time). ``output`` holds what it wrote, at most 64 KiB.
    """

    def __init__(
        self,
        stage: Literal["image", "late", "refused", "start", "init", "timeout"],
        message: str,
        *,
        exit: Exit | None = None,  # noqa: A002 - the field's own word
        output: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.stage = stage
        self.exit = exit
        self.output = output


def refuse_volumes(runs: Mapping[str, Any]) -> None:
    """Return if an image with this ``config`` has no volume: an instance's files are gone with it.

    Raises:
        StartFailed: stage ``refused``.
    """
    if volumes := runs.get("Volumes"):
        raise StartFailed(
            "refused",
            f"image has Volume definition: {', '.join(sorted(volumes))}",
            hint="take VOLUME out of its Dockerfile, and out of its base's; /tmp is what it may write",
        )


class Instance(Protocol):
    """One running instance."""

    @property
    def id(self) -> str: ...

    @property
    def socket(self) -> Path:
        """Where to dial ``POST /call``. Ready to accept when ``start`` returns it."""
        ...

    async def stop(self, grace_s: float = 0.0) -> Exit:
        """End it and all that it started: SIGTERM, ``grace_s`` seconds, SIGKILL. Returns when gone.

        Safe to call twice, at once, or after it has ended by itself.
        """
        ...

    async def wait(self) -> Exit:
        """Returns when it has ended, however it did."""
        ...

    def usage(self) -> Usage: ...


class Driver(Protocol):
    """Starts instances. Made once per executor."""

    @property
    def name(self) -> str: ...

    @property
    def isolation(self) -> Isolation: ...

    async def prepare(self, image: ImageRef, progress: Progress | None = None) -> None:
        """Make ``image`` ready to start (unpack, pull): may be slow, may be called twice.

        Raises:
            StartFailed: stage ``image``.
        """
        ...

    async def start(
        self, request: StartRequest, on_output: Callable[[OutputStream, bytes], None]
    ) -> Instance:
        """Start an instance and return when its socket accepts.

        ``on_output`` gets every byte it writes, as written, from the event loop's thread; it never
        blocks and never raises. Cancelling the start leaves nothing behind.

        Raises:
            StartFailed: it did not come up; nothing of it is left.
        """
        ...

    async def sweep(self) -> int:
        """Remove what a dead executor of this state folder left; returns how many instances."""
        ...

    async def close(self) -> None:
        """Stop every instance and free what the driver holds."""
        ...
