"""A function as it is here against what is deployed, what is or would be in its image, and going back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nbfn.capture.diff import Difference, Revision, difference
from nbfn.capture.report import Inside
from nbfn.containerize import describe
from nbfn.containerize.contents import function_files
from nbfn.containerize.packages import closure
from nbfn.errors import ImageError
from nbfn.scale import Scale
from nbfn.spec import Capture, ImageRef, PythonVersion, Taken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.containerize import Layout
    from nbfn.containerize.packages import Package
    from nbfn.deploy.history import Revisions
    from nbfn.session import Session
    from nbfn.spec import Deployment, FunctionSpec, Limits

_OWN = {"func.py", "nbfn.json"}


def inside(spec: FunctionSpec, capture: Capture, session: Session, deployment: Deployment | None) -> Inside:
    """What the image of ``deployment`` holds, or, without one, what an image of ``capture`` would hold.

    Raises:
        RequirementError: a package that it needs is not there, or cannot travel.
        ImageError: the deployed image is missing.
    """
    packages = [Taken(each.name, "package", str(each), each.size) for each in _packages(spec, capture)]
    image = str(describe(session.layout.get(deployment.image))) if deployment else ""
    return Inside(spec.name, capture, packages, image)


def since_deployed(spec: FunctionSpec, capture: Capture, session: Session) -> Difference:
    """What ``capture`` and ``spec`` change in what the target holds, whichever kernel deployed that.

    Raises:
        NotFound: it is not deployed.
        ImageError: the deployed image is not in the image store.
        RequirementError, ExecutorError, TargetError: as a deployment.
    """
    held = session.ask(lambda target: target.inspect(spec.app, spec.name))
    image = session.layout.get(ImageRef.parse(held.image))
    files = function_files(image)
    old = Revision(
        source=files.get("func.py", b"").decode(errors="replace"),
        files={path: data for path, data in files.items() if path not in _OWN},
        packages=frozenset(map(str, describe(image).packages)),
        limits=_limits(held.memory_mb, held.timeout_s, held.idle_timeout_s, Scale.of(held.annotations)),
        config=held.config,
    )
    return difference(spec.name, old, _here(spec, capture))


def kept(spec: FunctionSpec, session: Session) -> Revisions:
    """What the target keeps of the function, whichever kernel deployed it.

    Raises:
        NotFound: it is not deployed.
        TargetError: the target keeps no revisions.
    """
    held = session.ask(lambda target: target.inspect(spec.app, spec.name))
    return session.ask(lambda target: target.revisions(held.id))


def back(spec: FunctionSpec, session: Session, number: int | None) -> Deployment:
    """Let the target run the function's revision ``number`` again, by default the one before.

    Raises as :func:`kept`, and:
        BadInput: there is no such revision; says which there are.
        Conflict: its image is gone.
    """
    to = kept(spec, session).before(number).number  # so that it can be asked twice
    return session.ask(lambda target: target.rollback(spec, to))


def captured(layout: Layout, ref: ImageRef) -> Capture | None:
    """What was captured for an image, as far as the image tells; None if nbfn did not make it."""
    try:
        image = layout.get(ref)
        files = function_files(image)
    except ImageError:
        return None
    entry = json.loads(files["nbfn.json"])
    packages = describe(image).packages
    return Capture(
        handler=entry["handler"],
        style=entry["style"],
        source=files["func.py"].decode(),
        python=PythonVersion(*map(int, entry["python"].split("."))),
        files={path: data for path, data in files.items() if path not in _OWN},
        requirements=tuple(sorted(f"{each.name}=={each.version}" for each in packages)),
        preload=tuple(entry.get("preload") or ()),
        by_value=bool(entry.get("by_value")),
    )


def _here(spec: FunctionSpec, capture: Capture) -> Revision:
    limits: Limits = spec.limits
    return Revision(
        source=capture.source,
        files=capture.files,
        packages=frozenset(f"{each.name} {each.version}" for each in _packages(spec, capture)),
        limits=_limits(limits.memory_mb, limits.timeout_s, limits.idle_timeout_s, spec.scale),
        config={**capture.config, **spec.config},
    )


def _packages(spec: FunctionSpec, capture: Capture) -> tuple[Package, ...]:
    return closure(sorted({*capture.requirements, *spec.requires}))


def _limits(memory_mb: int, timeout_s: int, idle_timeout_s: int, scale: Scale) -> Mapping[str, str]:
    return {
        "memory": f"{memory_mb} MB",
        "timeout": f"{timeout_s} s",
        "idle timeout": f"{idle_timeout_s} s",
        "instances": str(scale),
    }
