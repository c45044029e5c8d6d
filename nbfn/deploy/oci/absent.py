"""What every target is asked for and OCI Functions has not: each says so, and what there is instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbfn.deploy.history import Revisions
    from nbfn.spec import CallRecord, Deployment, FunctionSpec, RunningInstance


class Absent:
    """Each method always raises TargetError."""

    def instances(self, fn_id: str) -> Sequence[RunningInstance]:
        """OCI does not show its containers."""
        raise TargetError(
            "OCI Functions does not show instances",
            hint="each answer tells which instance gave it, and its age",
        )

    def stop_instances(self, fn_id: str) -> None:
        """As :meth:`instances`."""
        self.instances(fn_id)

    def calls(self, fn_id: str, *, limit: int = 100) -> Sequence[CallRecord]:
        """As :meth:`call`."""
        self.call("")
        raise AssertionError  # the line before raises

    def call(self, call_id: str) -> CallRecord:
        """OCI keeps no record of single calls."""
        raise TargetError(
            "OCI Functions keeps no calls that one could ask for",
            hint="what a call gave and cost comes with its answer",
        )

    def cancel(self, call_id: str) -> bool:
        """OCI ends no call before its time."""
        raise TargetError(
            "OCI Functions cannot end a call",
            hint="it ends by itself, at the latest when the function's time limit is over",
        )

    def revisions(self, fn_id: str) -> Revisions:
        """OCI keeps none."""
        raise TargetError(
            "OCI Functions keeps no revisions",
            hint="deploy the earlier code again; its image is in the registry, by version or digest",
        )

    def rollback(self, spec: FunctionSpec, number: int) -> Deployment:
        """As :meth:`revisions`."""
        self.revisions("")
        raise AssertionError  # the line before raises
