"""What a capture took and what it did not, as a table and a text (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from nbfn.capture.limits import LARGE_BYTES, readable_size
from nbfn.listing import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbfn.spec import Capture, Taken

_HEADS = ("what", "name", "from", "size", "note")
_CONTROLS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Inside:
    """What is, or would be, in a function's image. ``str()`` of it is a text to read.

    Jupyter shows it as a table and highlighted source.
    """

    name: str
    capture: Capture
    packages: Sequence[Taken] = ()
    """Every package of the image, those that others need among them."""
    image: str = ""
    """What is known of the deployed image; empty before a deployment."""

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The table: what, name, where from, size, note. What was not taken comes last."""
        asked = {row.name for row in self.capture.taken if row.kind == "package"}
        found: list[tuple[str, ...]] = [
            (row.kind, row.name, row.origin, _size(row.size), row.note)
            for row in self.capture.taken
            if row.kind != "package"
        ]
        for row in self.packages:
            note = "" if row.name in asked else "needed by another"
            found.append((row.kind, row.name, row.origin, _size(row.size), note))
        return found + [("not taken", each.name, "", "", each.reason) for each in self.capture.left]

    @property
    def headline(self) -> str:
        """One line: the handler, Python, sizes."""
        capture = self.capture
        parts = [
            f"{self.name}: {capture.handler} of func.py",
            f"Python {capture.python}" + (" only" if capture.by_value else ""),
            f"source {readable_size(len(capture.source.encode()))}",
        ]
        if capture.files:
            total = readable_size(sum(map(len, capture.files.values())))
            count = len(capture.files)
            parts.append(f"{count} {'file' if count == 1 else 'files'} of {total}")
        if self.packages:
            total = readable_size(sum(row.size for row in self.packages))
            count = len(self.packages)
            parts.append(f"{count} {'package' if count == 1 else 'packages'} of {total}")
        return ", ".join(parts)

    def __str__(self) -> str:
        parts = [self.headline, columns([_HEADS, *self.rows]), self.image, self.capture.source]
        return _printable("\n\n".join(part for part in parts if part).rstrip("\n"))

    def markdown(self) -> str:
        """The same for a notebook."""
        rows = (_HEADS, ("---",) * len(_HEADS), *self.rows)
        table = "\n".join(f"| {' | '.join(_cell(each) for each in row)} |" for row in rows)
        parts = [_cell(self.headline), table]
        parts += [_fenced("text", self.image)] if self.image else []
        return "\n\n".join([*parts, _fenced("python", self.capture.source)])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/markdown": self.markdown(), "text/plain": str(self)}


def large(capture: Capture) -> list[Taken]:
    """What was taken and is so large that a person should hear of it."""
    return [row for row in capture.taken if row.size >= LARGE_BYTES]


def _size(size: int) -> str:
    return readable_size(size) if size else ""


def _printable(text: str) -> str:
    return _CONTROLS.sub("", text)


def _cell(text: str) -> str:
    return re.sub(r"([|*_`\\\[\]])", r"\\\1", escape(_printable(text), quote=False))


def _fenced(kind: str, text: str) -> str:
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}{kind}\n{_printable(text).rstrip()}\n{fence}"
