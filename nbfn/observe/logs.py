"""What a function wrote, as a list that reads as text."""

from __future__ import annotations

from dataclasses import replace
from time import localtime, strftime
from typing import TYPE_CHECKING

from nbfn.listing import Listing
from nbfn.spec import LogLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Logs(Listing[LogLine]):
    """Pieces of output, oldest first. ``str`` of it is a table of time, instance, stream and text."""

    @property
    def text(self) -> str:
        """The output alone, as the function wrote it."""
        return "".join(line.text for line in self)

    def of_call(self, call_id: str) -> Logs:
        """Only what one call wrote."""
        return Logs(line for line in self if line.call_id == call_id)

    def __str__(self) -> str:
        rows = [
            f"{_clock(line.at)}  {line.instance_id[-6:] or '-':>6}  {line.stream:<6}  {line.text}"
            for line in whole_lines(self)
        ]
        return "\n".join(rows) or "(no output)"


def whole_lines(pieces: Iterable[LogLine]) -> Iterator[LogLine]:
    """Output comes in the pieces it was written in: join those of one call and stream up to each newline."""
    begun: dict[tuple[str, str, str], LogLine] = {}
    for piece in pieces:
        source = (piece.instance_id, piece.call_id, piece.stream)
        first = begun.pop(source, None)
        line = piece if first is None else replace(first, text=first.text + piece.text)
        *whole, rest = line.text.split("\n")
        for text in whole:
            yield replace(line, text=text)
        if rest:
            begun[source] = replace(line, text=rest)
    yield from begun.values()


def _clock(at: float) -> str:
    return strftime("%H:%M:%S", localtime(at)) + f".{int(at * 1000) % 1000:03d}"
