"""A server that speaks Fn's API, as a session's server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from nbfn.deploy.rest import Rest
from nbfn.errors import ImageError, TargetError
from nbfn.invoke import Caller

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbfn.deploy.control import Control
    from nbfn.deploy.fn import FnTarget
    from nbfn.deploy.oci.watching import Counts
    from nbfn.errors import NbfnError
    from nbfn.spec import Capture, Deployment, FunctionSpec, Progress
    from nbfn.transport import Endpoint

# The function's own timeout ends a call; this ends only what cannot begin.
_TIMEOUT = httpx.Timeout(None, connect=5.0)


@dataclass(slots=True)
class FnServer:
    """A server that speaks Fn's API."""

    endpoint: Endpoint
    own: bool
    client: httpx.Client
    target: FnTarget
    control: Control

    @property
    def version(self) -> str:
        return str(Rest(self.client).get("/version").get("version", "?"))

    def caller(self) -> Caller:
        return Caller(self.endpoint)

    def check(self, body: Mapping[str, Any]) -> None:
        """Nothing: it says itself what it does not take."""

    def check_architecture(self, app: str, architecture: str) -> None:
        """Nothing: it does not say what it runs on."""

    def prepare(self, image: str) -> None:
        """Nothing: registries are no affair of its."""

    def apply_code(
        self, spec: FunctionSpec, capture: Capture, state: Path, progress: Progress | None = None
    ) -> Deployment:
        raise ImageError(f"{self.endpoint.url} takes images only, and {spec.name!r} has none")

    def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        if _same_place(url, self.endpoint.url):
            return self.client.post(url, content=content, headers=headers, timeout=_TIMEOUT)
        # The token is the server's alone.
        return httpx.post(url, content=content, headers=headers, timeout=_TIMEOUT, trust_env=False)

    def counts(self, fn_id: str, minutes: int) -> Counts:
        raise TargetError(
            f"{self.endpoint.url} keeps no numbers of a function's past",
            hint="a function's card shows its calls as they are made, `nbfn status` its instances",
        )

    def may_call(self, of: Deployment) -> NbfnError | None:
        return None

    def explain(self, answer: httpx.Response, of: Deployment) -> NbfnError | None:
        return None


def _same_place(url: str, base: str) -> bool:
    one, other = urlsplit(url), urlsplit(base)
    return (one.scheme, one.netloc) == (other.scheme, other.netloc)
