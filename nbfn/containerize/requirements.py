"""``requirements.txt``: the part of pip's format that says what to install, not where from or how."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nbfn.containerize import packages
from nbfn.errors import RequirementError

if TYPE_CHECKING:
    from pathlib import Path

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]+(\S+)")
_HASH = re.compile(r"\s--hash[=\s]\S+")
_DEPTH_MAX = 8


def read_requirements(path: Path) -> tuple[str, ...]:
    """The requirements in the file ``path`` and in those that it includes with ``-r``, each once, in order.

    Hashes are dropped: what is installed here was checked when it was installed.

    Raises:
        RequirementError: the file cannot be read, or a line of it is not understood; names the line.
    """
    return tuple(dict.fromkeys(_read(path, 0)))


def _read(path: Path, depth: int) -> list[str]:
    if depth > _DEPTH_MAX:
        raise RequirementError(f"{path} includes itself", hint="take the -r out that leads back")
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequirementError(f"{path} cannot be read: {error}", hint="give a requirements.txt") from error
    found: list[str] = []
    joined = re.sub(r"\\\n", lambda _: "\0", text)
    number = 1
    for line in joined.split("\n"):
        at, number = number, number + 1 + line.count("\0")
        plain = _HASH.sub("", _COMMENT.sub("", line.replace("\0", " "))).strip()
        if not plain:
            continue
        if include := _INCLUDE.fullmatch(plain):
            found += _read(path.parent / include[1], depth + 1)
        elif plain.startswith("-"):
            raise RequirementError(
                f"{path}, line {at}: the option {plain.split()[0]} is not understood here",
                hint="set indexes and the like in pip's or uv's own configuration, and take the line out",
            )
        else:
            try:
                packages.parse(plain)
            except RequirementError as error:
                raise RequirementError(f"{path}, line {at}: {error.message}", hint=error.hint) from error
            found.append(plain)
    return found
