"""Lists in pages: a cursor is made of where a page ended, and nobody but the server reads it."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, NamedTuple

from nbfn.errors import TargetError
from nbfn.executor.replies import reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from nbfn.executor.calls import Call


def place(request: Request) -> str:
    """Where the page before ended; empty at the beginning. Raises TargetError (400)."""
    cursor = request.query_params.get("cursor", "")
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise foreign(request) from None


def foreign(request: Request) -> TargetError:
    """To raise for a cursor that says nothing."""
    cursor = request.query_params.get("cursor", "")
    return TargetError(f"cursor {cursor!r} is none that this server gave", status=400)


def page(items: Sequence[object], end: str = "") -> Response:
    """A page; with ``end``, where it ends, another one may follow."""
    if not end:
        return reply({"items": items})
    cursor = base64.urlsafe_b64encode(end.encode()).decode().rstrip("=")
    return reply({"next_cursor": cursor, "items": items})


class CallPlace(NamedTuple):
    """Where a page of calls ended.

    Those that wait or run come first, newest first, then those that are over. A call that ends between two
    pages may be on both; it is never on none, since one that is over comes at the front of those.
    """

    queued_at: float | None = None
    """Of the last call, if that was still to end."""
    call_id: str = ""

    @classmethod
    def parse(cls, text: str) -> CallPlace:
        """What ``str`` made, and the beginning of what is empty. Raises ValueError."""
        queued_at, _, call_id = text.partition(" ")
        if bool(text) != bool(call_id):
            raise ValueError("no place")
        return cls(float(queued_at) if queued_at else None, call_id)

    def __str__(self) -> str:
        return f"{'' if self.queued_at is None else repr(self.queued_at)} {self.call_id}"

    def open_calls(self, calls: Iterable[Call]) -> list[Call]:
        """Those that are still to be listed of ``calls``, which wait or run."""
        if self.queued_at is None and self.call_id:
            return []
        newest_first = sorted(calls, key=_age, reverse=True)
        end = self.queued_at
        return newest_first if end is None else [each for each in newest_first if _age(each) < (end, self[1])]

    @property
    def over(self) -> str:
        """The id of the last one that was over; empty if none was listed yet."""
        return self.call_id if self.queued_at is None else ""


def _age(call: Call) -> tuple[float, str]:
    return call.queued_at, call.id
