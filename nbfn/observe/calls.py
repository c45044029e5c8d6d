"""The calls of a function, as a list that reads as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import localtime, strftime
from typing import overload

from nbfn.spec import CallRecord

HEADS = ("call", "came", "status", "start", "ms", "message")


class Calls(Sequence[CallRecord]):
    """Those that wait or run, then those that are over, each newest first. ``str`` of it is a table."""

    def __init__(self, kept: Iterable[CallRecord] = ()) -> None:
        self._kept = tuple(kept)

    @overload
    def __getitem__(self, index: int) -> CallRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Calls: ...
    def __getitem__(self, index: int | slice) -> CallRecord | Calls:
        return Calls(self._kept[index]) if isinstance(index, slice) else self._kept[index]

    def __len__(self) -> int:
        return len(self._kept)

    def __eq__(self, other: object) -> bool:
        return self._kept == other._kept if isinstance(other, Calls) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # compared by value, as lists are

    def rows(self) -> list[tuple[str, ...]]:
        """The rows of the table, under :data:`HEADS`."""
        return [_cells(each) for each in self._kept]

    def __str__(self) -> str:
        rows = [HEADS, *self.rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def __repr__(self) -> str:
        return str(self)


def _cells(call: CallRecord) -> tuple[str, ...]:
    took = call.result.timings_ms.get("total")
    return (
        call.id,
        strftime("%Y-%m-%d %H:%M:%S", localtime(call.at)),
        str(call.status) if call.status else "running" if call.result.instance_id else "waiting",
        call.result.start or "-",
        "-" if took is None else f"{took:.1f}",
        " ".join(call.message.split()) or "-",
    )
