"""The checks, from the machine outwards. Pure: each looks at the facts and says what it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.checks.finding import Finding
from nbfn.checks.oci import OCI_CHECKS
from nbfn.checks.past import failed_before, last_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nbfn.checks.facts import Facts

    Check = Callable[[Facts], Iterator[Finding]]

_OLDEST = (3, 11)
_LITTLE_MB = 1024


def diagnose(facts: Facts) -> Sequence[Finding]:
    """What every check finds, in order."""
    return [finding for check in CHECKS for finding in check(facts)]


def python(facts: Facts) -> Iterator[Finding]:
    """Is this Python new enough?"""
    major, minor = facts.machine.python
    if (major, minor) < _OLDEST:
        yield Finding(
            "python",
            "problem",
            f"this is Python {major}.{minor}, and nbfn needs {_OLDEST[0]}.{_OLDEST[1]} or newer",
            "make a kernel of a newer one: python3.12 -m venv .venv && .venv/bin/pip install nbfn ipykernel "
            "&& .venv/bin/python -m ipykernel install --user",
        )
    else:
        yield Finding("python", "ok", f"Python {major}.{minor}")


def system(facts: Facts) -> Iterator[Finding]:
    """Can instances run here?"""
    name = facts.machine.system
    if name != "Linux":
        yield Finding(
            "system",
            "problem" if facts.context and facts.context.is_local else "warn",
            f"this is {name}, and this machine's executor needs Linux",
            "use Docker's or WSL's Linux, or a context whose server is elsewhere: `nbfn use context NAME`",
        )


def binder(facts: Facts) -> Iterator[Finding]:
    """Is it a machine that is lent for an hour?"""
    if facts.machine.binder:
        yield Finding(
            "binder",
            "warn",
            "this is Binder: it has no Docker and few rights, and what is deployed here goes when it ends",
            "cells and Python folders work all the same; keep nothing secret here, and deploy to OCI to stay",
        )


def docker(facts: Facts) -> Iterator[Finding]:
    """Can what needs Docker be built?"""
    engine, why = facts.machine.engine, facts.machine.docker
    if not why:
        yield Finding("docker", "ok", f"{engine} answers")
        return
    advice = facts.machine.engine_hint or "start it, and let this user use it"
    if facts.machine.binder:
        advice = "Binder has none"
    yield Finding(
        "docker",
        "warn",
        f"no {engine}: {why}",
        f"needed for Dockerfiles and for go, node and java alone, not for Python: {advice}",
    )


def isolation(facts: Facts) -> Iterator[Finding]:
    """How well are instances kept apart?"""
    executor = facts.executor
    if executor is None:
        return
    has = f"tier {executor.tier}" + (f": {', '.join(executor.mechanisms)}" if executor.mechanisms else "")
    if executor.tier == "T2":
        yield Finding("isolation", "ok", has)
        return
    why = "; ".join(executor.missing) or "this machine allows no more"
    yield Finding(
        "isolation",
        "warn",
        f"{has} (not there: {why})",
        "run no code here that you do not trust; user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
        "kernel.apparmor_restrict_unprivileged_userns=0; in a container --privileged) give T2",
    )


def disk(facts: Facts) -> Iterator[Finding]:
    """Is there room for images?"""
    free = facts.machine.free_mb
    if free < _LITTLE_MB:
        yield Finding(
            "disk",
            "warn",
            f"{free} MB are free where nbfn keeps its state",
            "`nbfn.containerize.prune` removes images that nothing needs; NBFN_STATE names another folder",
        )


def context(facts: Facts) -> Iterator[Finding]:
    """Which server is meant, and does it answer?"""
    meant, error = facts.context, facts.context_error
    name = f"context {meant.name!r}" if meant else "the context"
    if error is not None:
        yield Finding("context", "problem", error.message, error.hint)
    elif meant is not None and meant.is_local:
        yield Finding("context", "ok", f"{name}: this machine's executor")
    elif meant is not None:
        yield Finding("context", "ok", f"{name}: {meant.provider} {meant.api_url}".rstrip())


def function(facts: Facts) -> Iterator[Finding]:
    """Is the function there, with its image?"""
    asked = facts.asked
    if asked is None:
        return
    called = f"{asked.app} {asked.name}"
    if asked.error is not None:
        yield Finding("function", "problem", asked.error.message, asked.error.hint)
        return
    if asked.state not in ("", "ACTIVE"):
        yield Finding(
            "function",
            "problem",
            f"{called} is {asked.state.lower()}",
            "wait until that is done, or deploy again",
        )
    else:
        yield Finding("function", "ok", f"{called}: {asked.image}".rstrip(": "))
    if asked.image_error is not None:
        yield Finding("image", "problem", asked.image_error.message, asked.image_error.hint)
    if asked.call_error is not None:
        yield Finding("call", "problem", asked.call_error.message, asked.call_error.hint)


CHECKS: tuple[Check, ...] = (
    python,
    system,
    binder,
    docker,
    disk,
    context,
    isolation,
    *OCI_CHECKS,
    function,
    failed_before,
    last_error,
)
"""Every check, in the order in which one thing needs another."""
