"""What differs between two revisions of a function: source, data, packages, limits (pure)."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from nbfn.capture.limits import readable_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_RED, _GREEN, _CYAN, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[0m"
_CONTEXT_LINES = 3
_STYLES = {
    "+": "background:rgba(46,160,67,.18)",
    "-": "background:rgba(248,81,73,.18)",
    "@": "opacity:.65;font-style:italic",
}


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of a function, as far as two of them are compared."""

    source: str
    files: Mapping[str, bytes] = field(repr=False)
    packages: frozenset[str]
    """As ``numpy 2.4.6``."""
    limits: Mapping[str, str]
    """In words: ``{"memory": "256 MB"}``."""
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Environment variables of its instances. Their values are compared and never shown."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one revision to another, as lines that begin with ``+``, ``-``, ``@`` or a space.

    False if nothing did; ``str()`` of it is a unified diff.
    """

    name: str
    lines: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.lines)

    def __str__(self) -> str:
        return "\n".join(self.lines or (f"{self.name}: what is deployed is what is here",))

    def coloured(self) -> str:
        """The same for a terminal, in colours."""
        paint = {"+": _GREEN, "-": _RED, "@": _CYAN}
        lines = str(self).split("\n")
        return "\n".join(f"{paint[line[0]]}{line}{_PLAIN}" if line[:1] in paint else line for line in lines)

    def html(self) -> str:
        """The same for a notebook, in either theme."""
        rows = (
            f'<div style="{_STYLES.get(line[:1], "")}">{escape(line) or "&nbsp;"}</div>'
            for line in str(self).split("\n")
        )
        return f'<pre class="nbfn-diff" style="line-height:1.35;margin:0">{"".join(rows)}</pre>'

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": self.coloured()}


def difference(name: str, old: Revision, new: Revision) -> Difference:
    """What ``new`` has that ``old`` has not, and the other way round."""
    lines = [
        *_source(old.source, new.source),
        *_section("data", _data(old.files, new.files)),
        *_section("packages", _sets(old.packages, new.packages)),
        *_section("limits", _pairs(old.limits, new.limits)),
        *_section("config", _hidden(old.config, new.config)),
    ]
    return Difference(name, tuple(lines))


def _source(old: str, new: str) -> Iterator[str]:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=_CONTEXT_LINES, lineterm="")
    for line in lines:
        if line.startswith(("--- ", "+++ ")) and not line[4:].strip():
            continue  # the file names of a unified diff, of which there are none
        yield f"@@ func.py {line[3:]}" if line.startswith("@@") else line


def _section(title: str, lines: Iterable[str]) -> list[str]:
    found = list(lines)
    return [f"@@ {title} @@", *found] if found else []


def _data(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Iterator[str]:
    for path in sorted({*old, *new}):
        if old.get(path) != new.get(path):
            if path in old:
                yield f"-{path}  {_told(old[path])}"
            if path in new:
                yield f"+{path}  {_told(new[path])}"


def _told(data: bytes) -> str:
    return f"{readable_size(len(data))}, sha256 {hashlib.sha256(data).hexdigest()[:12]}"


def _sets(old: Iterable[str], new: Iterable[str]) -> Iterator[str]:
    before, after = set(old), set(new)
    for item in sorted(before ^ after):
        yield f"{'-' if item in before else '+'}{item}"


def _pairs(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for key in new:
        if old.get(key) != new[key]:
            yield f"-{key}  {old.get(key, 'unknown')}"
            yield f"+{key}  {new[key]}"


def _hidden(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            again = " (another value)" if key in old and key in new else ""
            yield f"{'+' if key in new else '-'}{key}{again}"
