"""What a diagnosis is made from: plain facts, so that every check can be tried without its cause."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbfn.contexts import Context
    from nbfn.errors import NbfnError
    from nbfn.failures import Failed


@dataclass(frozen=True, slots=True)
class Machine:
    """Where nbfn runs."""

    python: tuple[int, int]
    system: str = "Linux"
    architecture: str = "amd64"
    """As images name it."""
    docker: str = ""
    """Why the engine that builds, Docker or Podman, cannot be used; empty if it answers."""
    engine: str = "Docker"
    """Which one is asked for."""
    engine_hint: str = ""
    """What to do about it, if that is known."""
    binder: bool = False
    free_mb: int = 10_000
    """Where nbfn keeps its state."""


@dataclass(frozen=True, slots=True)
class Executor:
    """This machine's executor: how it isolates instances."""

    tier: str
    mechanisms: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """What it cannot do here, and why."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """OCI, as the context means it and as it answers."""

    compartment_id: str
    region: str = ""
    """That of the address which is asked."""
    profile_region: str = ""
    registries: tuple[str, ...] = ()
    """Hosts of the region's registry."""
    login: str | None = None
    """User that is logged in to the context's registry; None: nobody."""
    login_error: NbfnError | None = None
    clock_off_s: float | None = None
    """How far this machine's clock is ahead of OCI's."""
    error: NbfnError | None = None
    """Why it does not list the compartment's applications."""
    profile_url: str = ""
    """The service's address in the profile's region; empty if that is not known."""


@dataclass(frozen=True, slots=True)
class Called:
    """A call that is over, as this machine's executor has recorded it."""

    id: str
    status: int
    message: str
    at: float
    """When it came (seconds since the epoch)."""

    @property
    def failed(self) -> bool:
        return bool(self.message) or not 200 <= self.status < 400


@dataclass(frozen=True, slots=True)
class Asked:
    """The function that is asked about."""

    app: str
    name: str
    error: NbfnError | None = None
    """Why it cannot be looked at."""
    state: str = ""
    """OCI's life cycle: ``ACTIVE``, …"""
    image: str = ""
    shape: str = ""
    """OCI's, of its application."""
    architecture: str = ""
    """Of its image, if that is known here."""
    image_error: NbfnError | None = None
    """Why its image cannot be found where the server would look for it."""
    call_error: NbfnError | None = None
    """Why one may not call it."""
    calls: tuple[Called, ...] = ()
    """The last ones that are over, newest first, where they are recorded."""
    timeout_s: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. None: not looked at."""

    machine: Machine
    context: Context | None = None
    context_error: NbfnError | None = None
    """Why the context's server cannot be spoken to."""
    executor: Executor | None = None
    cloud: Cloud | None = None
    asked: Asked | None = None
    failures: Sequence[Failed] = ()
    """How deploying and invoking the function failed last, if it has not succeeded since."""
    last_error: NbfnError | None = field(default=None)
    """What went wrong last in this process, if it is of what is asked about."""
