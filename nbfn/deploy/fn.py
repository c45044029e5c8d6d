"""Functions on a server that speaks Fn's API: the local executor, and any stock Fn server."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nbfn.deploy.base import DeployedFunction
from nbfn.deploy.history import FunctionRevision, Revisions
from nbfn.deploy.plan import (
    ENDPOINT_ANNOTATION,
    FINGERPRINT_ANNOTATION,
    CreateApp,
    CreateFunction,
    Step,
    UpdateFunction,
    key_of,
    plan,
    wanted,
)
from nbfn.deploy.rest import Rest
from nbfn.errors import Conflict, NotFound, TargetError
from nbfn.runtime.wire import KEY_VARIABLE
from nbfn.spec import CallRecord, CallResult, Deployment, ImageRef, LogLine, RunningInstance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import httpx

    from nbfn.spec import FunctionSpec

_ATTEMPTS = 4


class FnTarget:
    """A :class:`nbfn.deploy.base.Target` over HTTP. ``client`` has the server's base URL and its auth.

    Raises (each method):
        ExecutorNotRunning: nobody listens there.
        ExecutorLost: the connection broke.
        TargetError: the server refused, in its own words.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._rest = Rest(client)

    def apply(self, spec: FunctionSpec, image: ImageRef, fingerprint: str) -> Deployment:
        """See :meth:`Target.apply`. A refused function may leave its new, empty application behind."""
        want = wanted(spec, image, fingerprint)
        for attempt in range(1, _ATTEMPTS + 1):
            app, fn = self._read(spec.app, spec.name)
            steps = plan(app, fn, want, secrets.token_hex(32))
            try:
                app_id, held = self._take(steps, app, fn)
            except (Conflict, NotFound):
                # Somebody else made or removed it between our look and our step: look again.
                if attempt == _ATTEMPTS:
                    raise
                continue
            return Deployment(
                spec=spec,
                image=image,
                fn_id=held["id"],
                app_id=app_id,
                url=self._url(held),
                fingerprint=fingerprint,
                key=bytes.fromhex(key_of(held)),
                changed=bool(steps),
            )
        raise AssertionError  # the last attempt returns or raises

    def inspect(self, app: str, name: str) -> DeployedFunction:
        """See :meth:`Target.inspect`."""
        held_app, fn = self._read(app, name)
        if held_app is None or fn is None:
            what = f"no application {app!r}" if held_app is None else f"no function {name!r} in {app!r}"
            raise NotFound(f"{self._rest.where} has {what}", status=404)
        return self._deployed(held_app, fn)

    def list(self, app: str | None = None) -> Sequence[DeployedFunction]:
        """See :meth:`Target.list`. Empty if there is no such application."""
        apps = self._rest.items("/v2/apps", **({} if app is None else {"name": app}))
        found = [
            self._deployed(held_app, fn)
            for held_app in apps
            for fn in self._rest.items("/v2/fns", app_id=held_app["id"])
        ]
        return sorted(found, key=lambda each: (each.name, each.app))

    def remove(self, app: str, name: str) -> bool:
        """See :meth:`Target.remove`."""
        _, fn = self._read(app, name)
        if fn is None:
            return False
        try:
            self._rest.delete(f"/v2/fns/{fn['id']}")
        except NotFound:
            return False
        return True

    def logs(self, fn_id: str, *, call_id: str | None = None, limit: int = 1000) -> Iterator[LogLine]:
        """See :meth:`Target.logs`.

        Raises:
            NotFound: there is no such function.
            TargetError: a stock Fn server, which keeps no output that one could ask for.
        """
        params = {"limit": str(limit)} | ({"call_id": call_id} if call_id else {})
        return map(_log_line, self._own(f"/nbfn/v1/fns/{fn_id}/logs", "logs", **params))

    def instances(self, fn_id: str) -> Sequence[RunningInstance]:
        """See :meth:`Target.instances`.

        Raises:
            NotFound: there is no such function.
            TargetError: a stock Fn server, which does not show its containers.
        """
        return [_instance(item) for item in self._own(f"/nbfn/v1/fns/{fn_id}/instances", "instances")]

    def stop_instances(self, fn_id: str) -> None:
        """See :meth:`Target.stop_instances`. Raises as :meth:`instances`."""
        with self._of_ours("instances"):
            self._rest.delete(f"/nbfn/v1/fns/{fn_id}/instances")

    def calls(self, fn_id: str, *, limit: int = 100) -> Sequence[CallRecord]:
        """See :meth:`Target.calls`.

        Raises:
            NotFound: there is no such function.
            TargetError: as :meth:`call`.
        """
        with self._of_ours("calls"):
            found = self._rest.calls(fn_id, limit)
        name = self._name(fn_id) if found else ""
        return [_call_record(each, name) for each in found]

    def call(self, call_id: str) -> CallRecord:
        """See :meth:`Target.call`.

        Raises:
            TargetError: a stock Fn server, which keeps no calls.
        """
        with self._of_ours("calls"):
            told = self._rest.get(f"/nbfn/v1/calls/{call_id}")
        return _call_record(told, self._name(told["fn_id"]))

    def _name(self, fn_id: str) -> str:
        try:
            return str(self._rest.get(f"/v2/fns/{fn_id}")["name"])
        except NotFound:
            return ""

    def cancel(self, call_id: str) -> bool:
        """See :meth:`Target.cancel`. Raises TargetError: as :meth:`call`."""
        try:
            with self._of_ours("calls"):
                self._rest.delete(f"/nbfn/v1/calls/{call_id}")
        except NotFound:
            return False
        return True

    def revisions(self, fn_id: str) -> Revisions:
        """See :meth:`Target.revisions`.

        Raises:
            NotFound: there is no such function.
            TargetError: a stock Fn server, which keeps none.
        """
        return Revisions(map(_revision, self._own(f"/nbfn/v1/fns/{fn_id}/revisions", "revisions")))

    def rollback(self, spec: FunctionSpec, number: int) -> Deployment:
        """See :meth:`Target.rollback`. Raises TargetError: as :meth:`revisions`."""
        before = self.inspect(spec.app, spec.name)
        with self._of_ours("revisions"):
            self._rest.post(f"/nbfn/v1/fns/{before.id}/rollback", {"revision": number})
        held = self._rest.get(f"/v2/fns/{before.id}")
        return Deployment(
            spec=spec,
            image=ImageRef.parse(held["image"]),
            fn_id=held["id"],
            app_id=held["app_id"],
            url=self._url(held),
            fingerprint=str((held.get("annotations") or {}).get(FINGERPRINT_ANNOTATION, "")),
            key=bytes.fromhex(key_of(held)),
            changed=held.get("updated_at") != before.updated_at,
        )

    def _own(self, path: str, what: str, **params: str) -> Sequence[dict[str, Any]]:
        with self._of_ours(what):
            return self._rest.get(path, **params).get("items") or ()

    @contextmanager
    def _of_ours(self, what: str) -> Iterator[None]:
        """Around a route that nbfn's executor has and a stock Fn server lacks."""
        try:
            yield
        except NotFound as error:
            if "Path not found" not in error.message:
                raise
            raise TargetError(
                f"the Fn server at {self._rest.where} does not show {what}",
                hint="use nbfn's own executor; for logs, give the application a syslog_url",
                status=error.status,
            ) from error

    def _read(self, app: str, name: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        held_app = self._rest.first("/v2/apps", name=app)
        if held_app is None:
            return None, None
        return held_app, self._rest.first("/v2/fns", app_id=held_app["id"], name=name)

    def _take(
        self, steps: Sequence[Step], app: dict[str, Any] | None, fn: dict[str, Any] | None
    ) -> tuple[str, dict[str, Any]]:
        """Carry ``steps`` out; the application's id and the function as it is afterwards."""
        held_app, held = app or {}, fn or {}
        for step in steps:
            match step:
                case CreateApp(name):
                    held_app = self._rest.post("/v2/apps", {"name": name})
                case CreateFunction(body):
                    held = self._rest.post("/v2/fns", {**body, "app_id": held_app["id"]})
                case UpdateFunction(fn_id, body):
                    updated = self._rest.put(f"/v2/fns/{fn_id}", body)
                    # An answer to PUT lacks the endpoint, which an update does not move.
                    notes = {**(held.get("annotations") or {}), **(updated.get("annotations") or {})}
                    held = {**updated, "annotations": notes}
        return held_app["id"], held

    def _url(self, fn: Mapping[str, Any]) -> str:
        told = (fn.get("annotations") or {}).get(ENDPOINT_ANNOTATION)
        return str(told) if told else f"{self._rest.where}/invoke/{fn['id']}"

    def _deployed(self, app: Mapping[str, Any], fn: Mapping[str, Any]) -> DeployedFunction:
        return DeployedFunction(
            id=fn["id"],
            name=fn["name"],
            app_id=app["id"],
            app=app["name"],
            image=fn.get("image", ""),
            memory_mb=fn.get("memory", 0),
            timeout_s=fn.get("timeout", 0),
            idle_timeout_s=fn.get("idle_timeout", 0),
            url=self._url(fn),
            annotations=dict(fn.get("annotations") or {}),
            created_at=fn.get("created_at", ""),
            updated_at=fn.get("updated_at", ""),
            config={key: value for key, value in (fn.get("config") or {}).items() if key != KEY_VARIABLE},
        )


def _log_line(item: Mapping[str, Any]) -> LogLine:
    return LogLine(
        at=float(item.get("at") or 0.0),
        stream=str(item.get("stream") or "stdout"),
        text=str(item.get("text") or ""),
        call_id=str(item.get("call_id") or ""),
        instance_id=str(item.get("instance_id") or ""),
    )


def _call_record(told: Mapping[str, Any], function: str) -> CallRecord:
    result = CallResult(
        call_id=told["id"],
        start=told.get("start") or "",
        reason=told.get("reason") or "",
        timings_ms=told.get("timings_ms") or {},
        instance_id=told.get("instance_id") or "",
    )
    message, at = told.get("message") or "", float(told.get("queued_at") or 0.0)
    return CallRecord(told["id"], told["fn_id"], function, int(told.get("status") or 0), message, result, at)


def _revision(item: Mapping[str, Any]) -> FunctionRevision:
    return FunctionRevision(
        number=int(item["number"]),
        at=str(item["at"]),
        image=str(item["image"]),
        digest=str(item.get("digest") or ""),
        memory_mb=int(item["memory"]),
        timeout_s=int(item["timeout"]),
        idle_timeout_s=int(item["idle_timeout"]),
        changed=tuple(item.get("changed") or ()),
        current=bool(item.get("current")),
        restores=int(item.get("restores") or 0),
    )


def _instance(item: Mapping[str, Any]) -> RunningInstance:
    return RunningInstance(
        id=item["id"],
        state=item["state"],
        started_at=float(item["started_at"]),
        calls=int(item["calls"]),
        memory_bytes=int(item["memory_bytes"]),
    )
