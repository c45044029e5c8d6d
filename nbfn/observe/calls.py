"""The calls of a function, as a list that reads as text."""

from __future__ import annotations

from time import localtime, strftime

from nbfn.listing import Listing, columns
from nbfn.spec import CallRecord

HEADS = ("call", "came", "status", "start", "ms", "message")


class Calls(Listing[CallRecord]):
    """Those that wait or run, then those that are over, each newest first. ``str`` of it is a table."""

    def rows(self) -> list[tuple[str, ...]]:
        """The rows of the table, under :data:`HEADS`."""
        return [_cells(each) for each in self]

    def __str__(self) -> str:
        return columns([HEADS, *self.rows()])


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
