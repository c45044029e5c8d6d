"""Which wheels run on a base: its Python, its machine and its C library, as wheel tags say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.tags import compatible_tags, cpython_tags, parse_tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.tags import Tag

    from nbfn.containerize.examine import Facts
    from nbfn.spec import PythonVersion

# What Go, and so an image's config, calls a machine → what wheels call it.
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "arm": "armv7l"}
_LEGACY = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
_OLDEST_GLIBC = 5
# If no C library was found: what every distribution of the last ten years has.
_CAUTIOUS = ("glibc", (2, 17))


@dataclass(frozen=True, slots=True)
class Target:
    """A place that packages shall run in."""

    python: PythonVersion
    machine: str
    """``x86_64``, ``aarch64``."""
    libc: str
    libc_version: tuple[int, int]

    @classmethod
    def of(cls, facts: Facts, python: PythonVersion) -> Target:
        """The place that a base with ``facts`` is."""
        libc, version = (facts.libc, facts.libc_version) if facts.libc else _CAUTIOUS
        machine = _MACHINES.get(facts.architecture, facts.architecture)
        return cls(facts.python or python, machine, libc, version)

    def __str__(self) -> str:
        libc = f"{self.libc} {self.libc_version[0]}.{self.libc_version[1]}"
        return f"Python {self.python} on {self.machine} with {libc}"

    @property
    def platforms(self) -> tuple[str, ...]:
        """Platform tags, the best first."""
        major, minor = self.libc_version
        if self.libc == "musl":
            return tuple(f"musllinux_{major}_{m}_{self.machine}" for m in range(minor, -1, -1))
        found = []
        for m in range(minor, _OLDEST_GLIBC - 1, -1):
            found.append(f"manylinux_{major}_{m}_{self.machine}")
            if (major, m) in _LEGACY:
                found.append(f"{_LEGACY[major, m]}_{self.machine}")
        return tuple(found)

    @property
    def tags(self) -> frozenset[Tag]:
        """Every tag that a wheel may have to run there."""
        abi, platforms = f"cp{self.python.major}{self.python.minor}", self.platforms
        own = cpython_tags(self.python, [abi], platforms)
        return frozenset([*own, *compatible_tags(self.python, abi, platforms)])

    def takes(self, tags: Iterable[str]) -> bool:
        """True if a wheel with one of these tags (``cp311-cp311-manylinux_2_17_x86_64``) runs there."""
        supported = self.tags
        return any(tag in supported for text in tags if text.count("-") == 2 for tag in parse_tag(text))
