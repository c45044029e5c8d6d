"""Where functions are deployed to: the protocol that every target keeps.

Implementations: :class:`nbfn.deploy.fn.FnTarget` (the local executor and any stock Fn server) and
:class:`nbfn.deploy.oci.OciTarget` (OCI Functions). Each passes ``tests/deploy/conformance.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from nbfn.spec import LogLine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbfn.deploy.history import Revisions
    from nbfn.spec import CallRecord, Deployment, FunctionSpec, ImageRef, RunningInstance

__all__ = ["DeployedFunction", "LogLine", "Target"]


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A function as a target lists it."""

    id: str
    name: str
    app_id: str
    app: str
    image: str
    memory_mb: int
    timeout_s: int
    idle_timeout_s: int
    url: str
    annotations: Mapping[str, object]
    created_at: str
    updated_at: str
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Environment variables of its instances, without nbfn's own. Some may be secret."""


class Target(Protocol):
    """Holds functions. Every method raises :class:`nbfn.errors.TargetError` (or a child) when refused."""

    def apply(self, spec: FunctionSpec, image: ImageRef, fingerprint: str) -> Deployment:
        """Make the target hold exactly this: create or update the application and function.

        Idempotent: applying the same again changes nothing and says so (``changed=False``).
        """
        ...

    def inspect(self, app: str, name: str) -> DeployedFunction:
        """Raises NotFound if there is none."""
        ...

    def list(self, app: str | None = None) -> Sequence[DeployedFunction]:
        """Functions of one application, or of all, by name."""
        ...

    def remove(self, app: str, name: str) -> bool:
        """Remove the function; False if there was none. An application left empty stays."""
        ...

    def logs(self, fn_id: str, *, call_id: str | None = None, limit: int = 1000) -> Iterator[LogLine]:
        """What the function wrote, oldest first, at most the last ``limit`` pieces."""
        ...

    def instances(self, fn_id: str) -> Sequence[RunningInstance]:
        """Its instances that are there now, oldest first."""
        ...

    def stop_instances(self, fn_id: str) -> None:
        """Stop those that are there, busy ones after their call. The function stays."""
        ...

    def calls(self, fn_id: str, *, limit: int = 100) -> Sequence[CallRecord]:
        """Its calls that wait or run, then those that have ended not too long ago, each newest first."""
        ...

    def call(self, call_id: str) -> CallRecord:
        """A call that runs, or that has ended not too long ago. Raises NotFound."""
        ...

    def cancel(self, call_id: str) -> bool:
        """End a call that waits or runs; False if there is none."""
        ...

    def revisions(self, fn_id: str) -> Revisions:
        """What the function runs and ran before, newest first, as far as that is kept."""
        ...

    def rollback(self, spec: FunctionSpec, number: int) -> Deployment:
        """Let the function of ``spec``'s name run again what its revision ``number`` ran.

        ``changed`` is False if it does already. Raises NotFound if there is no such function or revision,
        Conflict if the revision's image is gone.
        """
        ...
