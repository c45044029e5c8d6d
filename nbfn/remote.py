"""What every deployed function can do, whichever way its image is made."""

from __future__ import annotations

import threading
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

from nbfn import failures, revisions
from nbfn import session as sessions
from nbfn.calls.calling import Calling
from nbfn.containerize import describe
from nbfn.contexts import endpoints
from nbfn.observe.logs import Logs
from nbfn.projects import Export, Exported, export, export_archive, kept

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from nbfn.containerize import Description
    from nbfn.contexts import Context
    from nbfn.deploy.history import Revisions
    from nbfn.invoke import CallContext
    from nbfn.session import Session
    from nbfn.spec import Deployment, FunctionSpec, ImageRef, Progress, RunningInstance

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


def remove(session: Session, app: str, name: str) -> bool:
    """Remove a function from the session's server; False if it was not there."""
    removed = session.ask(lambda target: target.remove(app, name))
    failures.forget(session.settings.state, "delete", about := (session.context.name, app, name))
    endpoints.forget(*about)
    return removed


class Remote(Calling[P, R_co]):
    """A function and its deployment. Calling it runs it remotely, after deploying it if it was not yet."""

    __nbfn_function__ = True

    def __init__(self, spec: FunctionSpec, session: Session | None = None) -> None:
        self.spec = spec
        self.last = None
        self._session = session
        self._deployment: Deployment | None = None
        self._place: Context | None = None
        self._context: CallContext | None = None
        self._deploying = threading.Lock()

    @property
    def session(self) -> Session:
        """The session it was made for, or the current one."""
        return self._session or sessions.current()

    @property
    def deployment(self) -> Deployment | None:
        """As the target holds it; None before the first deployment in the session's context."""
        if self._deployment is None or self._place != self.session.context:
            return None
        return self._deployment

    def undeploy(self) -> bool:
        """Remove it from the target; False if it was not there. Calling it deploys it anew."""
        with self._deploying:
            removed = remove(self.session, self.spec.app, self.spec.name)
            self._deployment = self._context = None
        return removed

    def logs(self, *, call_id: str | None = None, limit: int = 1000) -> Logs:
        """What it wrote, oldest first, at most the last ``limit`` pieces; nothing before it is deployed."""
        deployment = self.deployment
        if deployment is None:
            return Logs()
        return Logs(
            self.session.ask(lambda target: target.logs(deployment.fn_id, call_id=call_id, limit=limit))
        )

    def instances(self) -> Sequence[RunningInstance]:
        """Its instances that are there now, oldest first; none before it is deployed."""
        deployment = self.deployment
        if deployment is None:
            return []
        return self.session.ask(lambda target: target.instances(deployment.fn_id))

    def stop(self) -> None:
        """Stop its instances, busy ones after their call. It stays deployed: the next call is a cold one.

        Raises:
            TargetError: the target does not show instances.
        """
        deployment = self.deployment
        if deployment is not None:
            self.session.ask(lambda target: target.stop_instances(deployment.fn_id))

    def revisions(self) -> Revisions:
        """What it ran, newest first: the first is what runs now. Whichever kernel deployed it.

        Raises:
            NotFound: it is not deployed.
            TargetError: the target keeps no revisions.
        """
        return revisions.kept(self.spec, self.session)

    def rollback(self, number: int | None = None) -> Self:
        """Let it run its revision ``number`` again, by default the one before; ``deploy`` goes forward.

        Raises:
            BadInput: there is no such revision; says which there are.
            Conflict: its image is gone.
            NotFound, TargetError: as :meth:`revisions`.
        """
        with self._deploying:
            place = self.session.context
            deployment = revisions.back(self.spec, self.session, number)
            self._keep(deployment, self._as_it_was(deployment), place)
        return self

    def describe(self) -> Description:
        """What is in its image: files, packages, sizes. Deploys it if it was not yet."""
        deployment, _ = self._deployed()
        return describe(self.session.layout.get(deployment.image))

    def export(
        self, folder: str | Path, *, force: bool = False, build_image: str = "", run_image: str = ""
    ) -> Exported:
        """Write what is deployed as a project folder that the Fn CLI, Docker and nbfn can deploy.

        Deploys it if it was not yet. Docker builds it on ``build_image`` (which has pip) and ``run_image``,
        by default Fn's images of Python, or the base of the function. Secrets are named in it, not written.

        Raises:
            BadInput: there is something in the folder (``force`` writes over it).
            ImageError, StateError, ExecutorError, TargetError: as a deployment; or it cannot be written.
        """
        deployment, _ = self._deployed()
        ref, spec = deployment.image, self.spec
        about = Export(spec.name, spec.limits, spec.config, build_image, run_image)
        if ref.repository.startswith("archive/"):
            data = kept(self.session.settings.state, spec.app, spec.name, ref.digest)
            return export_archive(data, about, Path(folder), force=force)
        image = self.session.layout.get(ref)
        return export(image, about, Path(folder), force=force)

    @property
    def image(self) -> ImageRef | None:
        """The deployed image; None before the first deployment."""
        return self.deployment.image if self.deployment else None

    @property
    def url(self) -> str | None:
        """Where ``POST`` invokes it; None before the first deployment."""
        return self.session.url(self.deployment) if self.deployment else None

    def __repr__(self) -> str:
        where = f" → {self.url}" if self.deployment else ", not deployed"
        return f"<nbfn function {self.spec.name} (app {self.spec.app}){where}>"

    def _deployed(self) -> tuple[Deployment, CallContext]:
        __tracebackhide__ = True
        deployment, context = self.deployment, self._context
        if deployment is not None and context is not None:
            return deployment, context
        with self._deploying:  # of many first calls at once, one deploys
            deployment, context = self.deployment, self._context
            if deployment is None or context is None:
                return self._deploy()
            return deployment, context

    @abstractmethod
    def _deploy(
        self, *, force: bool = False, progress: Progress | None = None
    ) -> tuple[Deployment, CallContext]:
        """Deploy it now, and keep what came of it (:meth:`_keep`)."""

    def _noted(self) -> AbstractContextManager[None]:
        """Around its deployment: how that ended is kept, for `nbfn doctor`."""
        ours = self.session
        about = ours.context.name, self.spec.app, self.spec.name
        return failures.noted(ours.settings.state, "deploy", about)

    @abstractmethod
    def _as_it_was(self, deployment: Deployment) -> CallContext:
        """How to call what was deployed earlier."""

    def _keep(
        self, deployment: Deployment, context: CallContext, place: Context
    ) -> tuple[Deployment, CallContext]:
        self._deployment, self._context, self._place = deployment, context, place
        return deployment, context
