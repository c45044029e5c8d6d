"""A function as it is here against what is deployed, what is or would be in its image, and going back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from nbfn.capture.diff import Difference, Revision, difference
from nbfn.capture.report import Inside
from nbfn.capture.requirements import lacking
from nbfn.containerize import describe
from nbfn.containerize.contents import function_files
from nbfn.containerize.packages import closure, parse
from nbfn.containerize.parts import DEPENDENCIES
from nbfn.errors import ImageError
from nbfn.scale import Scale
from nbfn.spec import Capture, ImageRef, PythonVersion, Taken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbfn.containerize import Layout
    from nbfn.containerize.describe import DescribedPackage
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
    found, missing = _packages(spec, capture)
    packages = [Taken(each.name, "package", str(each), each.size) for each in found]
    packages += [Taken(parse(text).name, "package", f"{text} (wheel)") for text in missing]
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
    layers = describe(image).layers
    packages = [each for layer in layers if layer.what == DEPENDENCIES for each in layer.packages]
    old = Revision(
        source=files.get("func.py", b"").decode(errors="replace"),
        files={path: data for path, data in files.items() if path not in _OWN},
        packages=frozenset(map(str, packages)),
        limits=_limits(held.memory_mb, held.timeout_s, held.idle_timeout_s, Scale.of(held.annotations)),
        config=held.config,
    )
    return difference(spec.name, old, _here(spec, capture, packages))


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


def _here(spec: FunctionSpec, capture: Capture, held: Sequence[DescribedPackage]) -> Revision:
    limits: Limits = spec.limits
    found, missing = _packages(spec, capture)
    packages = {each.key: f"{each.name} {each.version}" for each in found}
    if missing:
        packages |= _from_wheels(missing, held, frozenset(packages))
    return Revision(
        source=capture.source,
        files=capture.files,
        packages=frozenset(packages.values()),
        limits=_limits(limits.memory_mb, limits.timeout_s, limits.idle_timeout_s, spec.scale),
        config={**capture.config, **spec.config},
    )


def _packages(spec: FunctionSpec, capture: Capture) -> tuple[tuple[Package, ...], tuple[str, ...]]:
    """Those that are installed here, and what was let through although it is not, for a base with wheels."""
    wanted = {*capture.requirements, *spec.requires}
    missing = lacking(sorted({*capture.requirements}.intersection(spec.requires)))
    return closure(sorted(wanted.difference(missing))), tuple(missing)


def _from_wheels(
    missing: Sequence[str], held: Sequence[DescribedPackage], here: frozenset[str]
) -> dict[str, str]:
    """What ``missing`` comes to, by name: what the deployed image has, if that fulfils all of it.

    Which versions the wheels would have now, and what those require, only fetching them would tell.
    """
    versions = {canonicalize_name(each.name): each.version for each in held}
    for text in missing:
        wanted = parse(text)
        version = versions.get(canonicalize_name(wanted.name))
        if version is None or not wanted.specifier.contains(version, prereleases=True):
            return {text: text for text in missing}
    named = {canonicalize_name(each.name): str(each) for each in held}
    return {name: text for name, text in named.items() if name not in here}


def _limits(memory_mb: int, timeout_s: int, idle_timeout_s: int, scale: Scale) -> Mapping[str, str]:
    return {
        "memory": f"{memory_mb} MB",
        "timeout": f"{timeout_s} s",
        "idle timeout": f"{idle_timeout_s} s",
        "instances": str(scale),
    }
