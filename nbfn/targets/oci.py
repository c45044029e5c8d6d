"""OCI Functions, as a session's server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from nbfn.deploy.control import Control
from nbfn.deploy.oci import OciTarget, make_archive, settings_of
from nbfn.deploy.oci.face import FnFace
from nbfn.deploy.oci.invoke import invoke
from nbfn.deploy.oci.limits import PAYLOAD_MAX_BYTES, check_architecture
from nbfn.errors import NbfnError
from nbfn.invoke import Caller
from nbfn.projects import keep
from nbfn.transport import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbfn.contexts import Context
    from nbfn.deploy.oci.watching import Counts
    from nbfn.spec import Capture, Deployment, FunctionSpec, Progress

# A function may run 300 s, and its start may take a while on top.
_TIMEOUT = httpx.Timeout(360.0, connect=10.0)


@dataclass(slots=True)
class OciServer:
    """OCI Functions, in one compartment of one region."""

    endpoint: Endpoint
    target: OciTarget
    control: Control
    face: FnFace
    own = False

    @property
    def client(self) -> httpx.Client:
        return self.target.client

    @property
    def version(self) -> str:
        region = self.target.place.region
        return f"OCI Functions {self.target.settings.api_version}{f', {region}' if region else ''}"

    def caller(self) -> Caller:
        return Caller(self.client, explain=self.target.explain, body_max_bytes=PAYLOAD_MAX_BYTES)

    def check(self, body: Mapping[str, Any]) -> None:
        self.face.check(body)

    def check_architecture(self, app: str, architecture: str) -> None:
        held = next(self.target.applications(app), {})  # one that is not there is made in the usual shape
        check_architecture(app, str(held.get("shape") or self.target.settings.shape), architecture)

    def prepare(self, image: str) -> None:
        self.target.prepare(image)

    def apply_code(
        self, spec: FunctionSpec, capture: Capture, state: Path, progress: Progress | None = None
    ) -> Deployment:
        stored = bool(self.target.settings.bucket)
        archive = make_archive(spec, capture, stored=stored)
        made = self.target.apply_archive(spec, archive, capture.fingerprint, progress=progress)
        keep(state, spec.app, spec.name, archive.source.data)
        return made

    def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        return self.client.post(url, content=content, headers=headers, timeout=_TIMEOUT)

    def counts(self, fn_id: str, minutes: int) -> Counts:
        return self.target.counts(fn_id, minutes=minutes)

    def may_call(self, of: Deployment) -> NbfnError | None:
        try:
            invoke(self.client, of.url, b"", explain=self.target.explain, deployment=of, is_dry_run=True)
        except NbfnError as error:
            return error
        return None

    def explain(self, answer: httpx.Response, of: Deployment) -> NbfnError | None:
        call_id = answer.headers.get("fn-call-id", "")
        return self.target.explain(answer.status_code, answer.content, answer.headers, of, call_id)


def open_oci(context: Context) -> OciServer:
    """The server of a context whose provider is Oracle's. Raises as :func:`nbfn.targets.open_server`."""
    target = OciTarget(settings_of(context))
    face = FnFace(target)
    return OciServer(Endpoint(url=target.api.where), target, Control(face), face)
