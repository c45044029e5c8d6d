"""The checks of a context that means OCI Functions. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.checks.finding import Finding
from nbfn.deploy.oci import causes
from nbfn.deploy.oci.archive import RUNTIMES
from nbfn.deploy.oci.limits import SHAPES
from nbfn.deploy.oci.regions import registry_region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbfn.checks.facts import Facts

_SKEW_S = 300
_SKEW_WARN_S = 60


def region(facts: Facts) -> Iterator[Finding]:
    """Are the address, the profile and the registry of one region?"""
    cloud = facts.cloud
    if cloud is None or not cloud.region:
        return
    if cloud.profile_region and cloud.profile_region != cloud.region:
        yield Finding(
            "region",
            "warn",
            f"api-url is in {cloud.region}, and the profile in {cloud.profile_region}",
            "functions, their subnets and images are all of one region: if the other one is meant, "
            f"`nbfn update context api-url {cloud.profile_url or 'ADDRESS'}`",
        )
    else:
        yield Finding("region", "ok", cloud.region)


def registry(facts: Facts) -> Iterator[Finding]:
    """Do images go to where functions of this region are pulled from?"""
    cloud, context = facts.cloud, facts.context
    if cloud is None or context is None:
        return
    host, _, prefix = context.registry.partition("/")
    near = cloud.registries[0] if cloud.registries else "KEY.ocir.io"
    set_it = f"`nbfn update context registry {near}/NAMESPACE/PREFIX` (NAMESPACE: console, tenancy details)"
    if not context.registry:
        yield Finding("registry", "warn", "the context has no registry: only code goes, as archives", set_it)
        return
    where = registry_region(host)
    if where is None and ".ocir.io" not in host and cloud.registries:
        yield Finding("registry", "problem", f"OCI Functions cannot pull from {host}", set_it)
    elif where is not None and cloud.region and where != cloud.region:
        yield Finding(
            "registry",
            "problem",
            f"{host} is the registry of {where}, and functions go to {cloud.region}",
            set_it,
        )
    elif not prefix:
        yield Finding("registry", "problem", f"{host} alone is no place for images", set_it)
    else:
        yield Finding("registry", "ok", context.registry)


def login(facts: Facts) -> Iterator[Finding]:
    """May this machine push there, as far as the form of the login tells?"""
    cloud, context = facts.cloud, facts.context
    if cloud is None or context is None or registry_region(context.registry.partition("/")[0]) is None:
        return
    host, _, prefix = context.registry.partition("/")
    namespace = prefix.partition("/")[0] or "NAMESPACE"
    program = "podman" if facts.machine.engine == "Podman" else "docker"
    how = causes.registry_login(host, namespace, "USER", program=program)
    if cloud.login_error is not None:
        yield Finding("login", "problem", cloud.login_error.message, cloud.login_error.hint)
    elif cloud.login is None:
        yield Finding("login", "problem", f"nobody is logged in to {host}", how)
    elif "/" not in cloud.login:
        yield Finding("login", "problem", f"the user {cloud.login!r} lacks the tenancy's namespace", how)
    elif cloud.login.partition("/")[0] != namespace:
        yield Finding(
            "login",
            "problem",
            f"the login {cloud.login!r} is of another namespace than {namespace!r}, to which images go",
            how,
        )
    else:
        yield Finding("login", "ok", f"{cloud.login} at {host}")


def clock(facts: Facts) -> Iterator[Finding]:
    """Does OCI believe this machine's signatures, which carry the time?"""
    off_s = facts.cloud.clock_off_s if facts.cloud else None
    if off_s is None:
        return
    if abs(off_s) < _SKEW_WARN_S:
        yield Finding("clock", "ok", "within a minute of OCI's")
        return
    way = "ahead of" if off_s > 0 else "behind"
    yield Finding(
        "clock",
        "problem" if abs(off_s) >= _SKEW_S else "warn",
        f"this machine's clock is {abs(off_s):.0f} s {way} OCI's, which takes {_SKEW_S}",
        "set it: timedatectl set-ntp true (on WSL: hwclock -s)",
    )


def access(facts: Facts) -> Iterator[Finding]:
    """Does OCI let this user see the compartment?"""
    cloud = facts.cloud
    if cloud is None:
        return
    if cloud.error is None:
        yield Finding("access", "ok", f"applications of {cloud.compartment_id} are listed")
    else:
        yield Finding("access", "problem", cloud.error.message, cloud.error.hint)


def code(facts: Facts) -> Iterator[Finding]:
    """Can code go without an image?"""
    cloud, context = facts.cloud, facts.context
    if cloud is None or context is None or context.registry:
        return
    if facts.machine.python not in RUNTIMES:
        known = " and ".join(f"{major}.{minor}" for major, minor in RUNTIMES)
        yield Finding(
            "code",
            "problem",
            f"without a registry code alone is sent, and OCI runs that on Python {known}, not on "
            f"{facts.machine.python[0]}.{facts.machine.python[1]}",
            "use a kernel with one of them, or set the context's registry: images bring their own Python",
        )


def architecture(facts: Facts) -> Iterator[Finding]:
    """Is the function's image for the processors of its application, or would one that is built here be?"""
    asked = facts.asked
    if facts.cloud is None or asked is None or asked.shape not in SHAPES:
        return
    takes, here = SHAPES[asked.shape], facts.machine.architecture
    if asked.error is not None:
        # It is not there: OCI refuses it on its way, and keeps nothing that would say so.
        if takes != (here,):
            yield Finding(
                "architecture",
                "problem",
                f"application {asked.app} is {asked.shape}, and images that are built here are for {here}",
                causes.architecture_hint(asked.shape),
            )
    elif not asked.architecture:
        return
    elif asked.architecture in takes:
        yield Finding("architecture", "ok", f"{asked.architecture} fits {asked.shape}")
    else:
        yield Finding(
            "architecture",
            "problem",
            f"the image is for {asked.architecture}",
            causes.architecture_hint(asked.shape),
        )


OCI_CHECKS = (region, registry, login, clock, access, code, architecture)
