"""Pinned requirements: what is installed here, as ``name==version``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from nbfn.capture.modules import home_of, version_of
from nbfn.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def pinned(modules: Iterable[str], requires: Sequence[str] = (), *, fetch: bool = False) -> tuple[str, ...]:
    """``name==version`` of every distribution behind ``modules``, and of what was asked for, sorted.

    ``fetch``: what is asked for and is not installed here stays as it is written, behind the others, for a
    base whose packages come as wheels.

    Raises:
        RequirementError: something asked for cannot be read; or, unless it is fetched, it is not installed,
            or another version is.
    """
    missing = frozenset(lacking(requires)) if fetch else frozenset()
    pins: dict[str, str] = {}
    for module in modules:
        home = home_of(module)
        if home.kind == "package":
            pins[home.distribution] = f"{home.distribution}=={home.version}"
    for text in requires:
        if text in missing:
            continue
        pin = _asked(text)
        if pin is not None:
            pins[pin.partition("==")[0].partition("[")[0]] = pin
    for text in missing:  # asked for in another version than the one that is imported here
        pins.pop(canonicalize_name(Requirement(text).name), None)
    return (*(pins[name] for name in sorted(pins)), *sorted(missing))


def lacking(requires: Iterable[str]) -> list[str]:
    """Those that what is installed here does not fulfil.

    Raises:
        RequirementError: one of them cannot be read.
    """
    found = []
    for text in requires:
        _read(text)
        try:
            _asked(text)
        except RequirementError:
            found.append(text)
    return found


def _read(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise RequirementError(
            f"{text!r} is not a requirement: {str(error).splitlines()[0]}",
            hint="write it as in requirements.txt: name, name==1.2 or name[extra]",
        ) from None


def _asked(text: str) -> str | None:
    """The pin for a requirement that a person wrote; None if its marker says "not here"."""
    wanted = _read(text)
    if wanted.marker is not None and not wanted.marker.evaluate():
        return None
    name = canonicalize_name(wanted.name)
    if wanted.url:
        raise RequirementError(
            f"{text!r} points at a URL, and packages are taken from what is installed here",
            hint=f"install it (%pip install {text!r}) and ask for {name!r}",
        )
    version = version_of(name)
    if version is None:
        raise RequirementError(
            f"{text!r} is asked for, and {wanted.name} is not installed here",
            hint=f"run: %pip install {str(wanted.name) + str(wanted.specifier)!r}",
        )
    if not wanted.specifier.contains(version, prereleases=True):
        raise RequirementError(
            f"{text!r} is asked for, and {wanted.name} {version} is installed here",
            hint=f"run: %pip install {text!r}, restart the kernel and run the cells again; "
            f"or ask for {name}=={version}",
        )
    extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
    return f"{name}{extras}=={version}"
