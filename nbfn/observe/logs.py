"""What a function wrote, as a list that reads as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from time import localtime, strftime
from typing import overload

from nbfn.spec import LogLine


class Logs(Sequence[LogLine]):
    """Pieces of output, oldest first. ``str`` of it is a table of time, instance, stream and text."""

    def __init__(self, lines: Iterable[LogLine] = ()) -> None:
        self._lines = tuple(lines)

    @overload
    def __getitem__(self, index: int) -> LogLine: ...
    @overload
    def __getitem__(self, index: slice) -> Logs: ...
    def __getitem__(self, index: int | slice) -> LogLine | Logs:
        return Logs(self._lines[index]) if isinstance(index, slice) else self._lines[index]

    def __len__(self) -> int:
        return len(self._lines)

    def __eq__(self, other: object) -> bool:
        return self._lines == other._lines if isinstance(other, Logs) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # compared by value, as lists are

    @property
    def text(self) -> str:
        """The output alone, as the function wrote it."""
        return "".join(line.text for line in self._lines)

    def of_call(self, call_id: str) -> Logs:
        """Only what one call wrote."""
        return Logs(line for line in self._lines if line.call_id == call_id)

    def __str__(self) -> str:
        rows = [
            f"{_clock(line.at)}  {line.instance_id[-6:] or '-':>6}  {line.stream:<6}  {line.text}"
            for line in whole_lines(self._lines)
        ]
        return "\n".join(rows) or "(no output)"

    def __repr__(self) -> str:
        return str(self)


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
