"""What ``nbfn watch`` looks at, and when it has seen enough. Who watches brings the clock."""

from __future__ import annotations

import fnmatch
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

IGNORE_FILE = ".fnignore"
IGNORED = (".git", ".fn", "node_modules", "target", "dist", "vendor", "Dockerfile-fn-tmp*")
"""What the Fn CLI does not look at."""
_ALSO_IGNORED = ("__pycache__", ".ipynb_checkpoints", ".venv", "*.pyc", ".nbfn-*")

Seen = tuple[int, int]
"""When a file was last written (nanoseconds), and its size."""


def patterns(folder: Path, more: Sequence[str] = ()) -> tuple[str, ...]:
    """What is ignored in ``folder``: the usual, the lines of its ``.fnignore``, and ``more``.

    Raises:
        StateError: ``.fnignore`` cannot be read.
    """
    path = folder / IGNORE_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    except (OSError, UnicodeDecodeError) as error:
        raise StateError(f"{path} cannot be read: {error}", hint="one pattern a line") from error
    told = [line.strip() for line in lines]
    own = [line for line in told if line and not line.startswith("#")]
    return (*IGNORED, *_ALSO_IGNORED, *own, *more)


def is_ignored(path: str, given: Sequence[str]) -> bool:
    """True if ``path`` (relative, with ``/``) matches a pattern, by one of its parts or as a whole.

    ``*`` stands for anything but ``/``; a pattern of several parts is matched from the folder that is
    watched, and covers all that is below what it names.
    """
    parts = path.split("/")
    for pattern in given:
        wanted = pattern.strip("/").split("/")
        if len(wanted) == 1:
            if any(fnmatch.fnmatchcase(part, wanted[0]) for part in parts):
                return True
        elif len(parts) >= len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted)):
            return True
    return False


def look(folder: Path, given: Sequence[str]) -> dict[str, Seen]:
    """Every file below ``folder`` that is not ignored, as it is now."""
    return dict(_look(folder, given))


def _look(folder: Path, given: Sequence[str]) -> Iterator[tuple[str, Seen]]:
    for place, folders, files in os.walk(folder):
        at = Path(place).relative_to(folder)
        folders[:] = [name for name in folders if not is_ignored((at / name).as_posix(), given)]
        for name in files:
            path = (at / name).as_posix()
            if is_ignored(path, given):
                continue
            try:
                found = (folder / path).stat()
            except OSError:  # gone meanwhile
                continue
            yield path, (found.st_mtime_ns, found.st_size)


def changed(before: Mapping[str, Seen], after: Mapping[str, Seen]) -> list[str]:
    """The files that came, went or were written."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


@dataclass(slots=True)
class Quiet:
    """Waits until nothing has changed for a while: an editor writes more than once."""

    quiet_s: float
    _since: float | None = None
    _last: str = ""

    def saw(self, names: Sequence[str], now: float) -> None:
        """These files have changed at ``now``."""
        if names:
            self._since, self._last = now, names[-1]

    def due(self, now: float) -> str:
        """The file that changed last, once it is quiet; empty before that. Said once."""
        if self._since is None or now - self._since < self.quiet_s:
            return ""
        self._since, last = None, self._last
        return last
