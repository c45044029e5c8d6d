"""Versions of functions: ``MAJOR.MINOR.PATCH``. Pure."""

from __future__ import annotations

import re
from typing import Literal

from nbfn.errors import BadInput

INITIAL = "0.0.1"
Part = Literal["major", "minor", "patch"]

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")


def check_version(version: str, where: str = "version") -> str:
    """``version`` itself, if it is one. Raises BadInput, which begins with ``where``."""
    if not _VERSION.fullmatch(version):
        raise BadInput(f"{where}: {version!r} is not a version", hint="write it like 0.0.1")
    return version


def bumped(version: str, part: Part = "patch", where: str = "version") -> str:
    """The next version; the first one if there is none yet. What follows the numbers is dropped.

    Raises:
        BadInput: ``version`` is none.
    """
    if not version:
        return INITIAL
    found = _VERSION.fullmatch(check_version(version, where))
    major, minor, patch = (int(found[n]) for n in (1, 2, 3)) if found else (0, 0, 0)
    match part:
        case "major":
            return f"{major + 1}.0.0"
        case "minor":
            return f"{major}.{minor + 1}.0"
        case "patch":
            return f"{major}.{minor}.{patch + 1}"
