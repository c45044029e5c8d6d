"""What a session connects to, whichever API it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import httpx

    from nbfn.deploy.base import Target
    from nbfn.deploy.control import Control
    from nbfn.deploy.oci.watching import Counts
    from nbfn.errors import NbfnError
    from nbfn.invoke import Caller
    from nbfn.spec import Capture, Deployment, FunctionSpec, Progress
    from nbfn.transport import Endpoint


class Server(Protocol):
    """Somewhere that functions can be: what a session connects to."""

    endpoint: Endpoint
    own: bool
    """True for nbfn's own executor on this machine: it reads images where they are built, and tells
    events."""

    @property
    def client(self) -> httpx.Client:
        """Reaches it, authenticated."""
        ...

    @property
    def target(self) -> Target:
        """Where functions are deployed to."""
        ...

    @property
    def control(self) -> Control:
        """What it holds, object by object."""
        ...

    @property
    def version(self) -> str:
        """Its own, as it says it."""
        ...

    def caller(self) -> Caller:
        """Calls its functions; close it."""
        ...

    def check(self, body: Mapping[str, Any]) -> None:
        """Return if it would take ``body`` (in Fn's names), as far as that is known without asking it.

        Raises:
            BadInput: it would not.
        """
        ...

    def check_architecture(self, app: str, architecture: str) -> None:
        """Return if functions of the application ``app`` may be images for ``architecture`` alone, as far as
        it can tell.

        Raises:
            BadInput: they may not.
            TargetError: it refused to say.
        """
        ...

    def prepare(self, image: str) -> None:
        """Have there be what an image of this name is pushed to, as far as that is the server's affair.

        Raises:
            TargetError: it refused.
        """
        ...

    def apply_code(
        self, spec: FunctionSpec, capture: Capture, state: Path, progress: Progress | None = None
    ) -> Deployment:
        """Make it hold the function by its code alone, without an image; what it would not give
        back is kept below ``state``. ``progress`` is told ``upload`` if that goes by way of a bucket.

        Raises:
            ImageError: it takes images only.
            BadInput, TargetError: it would not take it, or refused.
        """
        ...

    def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """Call a function once, at its own address. Raises as httpx does."""
        ...

    def counts(self, fn_id: str, minutes: int) -> Counts:
        """What a function did in the last ``minutes``.

        Raises:
            TargetError: it keeps no such numbers, or one may not read them; says what else there is.
        """
        ...

    def may_call(self, of: Deployment) -> NbfnError | None:
        """Why the function may not be called; None if it may, or that cannot be asked without calling it."""
        ...

    def explain(self, answer: httpx.Response, of: Deployment) -> NbfnError | None:
        """The error that ``answer`` to a call stands for, if it says more than the answer's own words."""
        ...
