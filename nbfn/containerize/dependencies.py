"""Where each package of a function is taken from: this kernel's own files where they fit, else wheels."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.containerize import packages, parts, wheels
from nbfn.containerize.image import digest_of, encode
from nbfn.containerize.target import Target
from nbfn.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbfn.containerize.bases import Base
    from nbfn.containerize.layers import Entry
    from nbfn.containerize.packages import Package
    from nbfn.spec import Progress, PythonVersion


@dataclass(frozen=True, slots=True)
class Plan:
    """What the dependency layer will hold, before any of it is fetched."""

    installed: tuple[Package, ...] = ()
    """From this kernel's files."""
    exact: tuple[str, ...] = ()
    """``name==version`` as in this kernel, whose files do not fit: wheels of just these."""
    open: tuple[str, ...] = ()
    """Requirements that this kernel does not have: wheels, with what they require."""
    target: Target | None = None

    def __bool__(self) -> bool:
        return bool(self.installed or self.exact or self.open)

    @property
    def key(self) -> str:
        """Digest over all that the layer follows from."""
        own = parts.dependencies_key(self.installed)
        if not (self.exact or self.open):
            return own
        facts = {"installed": own, "exact": self.exact, "open": self.open, "target": str(self.target)}
        return digest_of(encode(facts))


def plan(requirements: Sequence[str], base: Base, python: PythonVersion) -> Plan:
    """What to take from where for ``requirements`` on ``base``.

    Raises:
        RequirementError: a requirement cannot be read; or, on base ``host``, is not what is installed.
    """
    if base.facts is None:
        return Plan(installed=packages.closure(requirements))
    target = Target.of(base.facts, python)
    found: dict[str, Package] = {}
    missing: list[str] = []
    for text in requirements:
        packages.parse(text)
        try:
            found |= {package.key: package for package in packages.closure([text])}
        except RequirementError:
            missing.append(text)  # not in this kernel, or its files are not known
    here = [package for package in found.values() if target.takes(package.tags)]
    elsewhere = [f"{p.name}=={p.version}" for p in found.values() if not target.takes(p.tags)]
    ordered = sorted(here, key=lambda package: package.key)
    return Plan(tuple(ordered), tuple(sorted(elsewhere)), tuple(sorted(missing)), target)


@contextlib.contextmanager
def entries(plan: Plan, progress: Progress | None) -> Iterator[list[Entry]]:
    """The files of the layer; ``progress`` is told ``wheels``, and how many of how many requirements came.

    Raises:
        RequirementError: files are gone, or there is no wheel for the base.
        ImageError: files are being changed just now.
    """
    total = len(plan.exact) + len(plan.open)
    with contextlib.ExitStack() as stack:
        every = {package.key: package for package in plan.installed}
        if total and progress is not None:
            progress("wheels", 0, total)
        pins = [f"{package.name}=={package.version}" for package in plan.installed]
        for wanted, alone in ((plan.exact, True), (plan.open, False)):
            if wanted and plan.target is not None:
                context = wheels.fetched(wanted, plan.target, pins=pins, alone=alone)
                for package in stack.enter_context(context):
                    every.setdefault(package.key, package)
                pins += [] if not alone else wanted
        if total and progress is not None:
            progress("wheels", total, total)
        ordered = [every[key] for key in sorted(every)]
        yield stack.enter_context(parts.dependency_entries(ordered))
