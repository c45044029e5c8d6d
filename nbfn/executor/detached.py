"""Calls that nobody waits for (``Fn-Invoke-Type: detached``): their answers are kept here for a while."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbfn.executor import trigger
from nbfn.executor.answers import CAUSE_BYTES

if TYPE_CHECKING:
    from nbfn.executor.answers import Response
    from nbfn.executor.calls import Call

BODY_BYTES = 8 << 20
"""The largest body of a detached call: it is in memory until the call runs."""
RESULT_BYTES = 1 << 20
"""As much as is kept of an answer."""
WAITING_BYTES = 128 << 20
"""As much as the bodies of all detached calls that are not answered may take."""
_RESULTS, _RESULTS_BYTES = 1000, 64 << 20


@dataclass(slots=True)
class Result:
    """What a detached call answered (:class:`nbfn.executor.calls.Caller`). ``status`` is 0 until it has."""

    fn_id: str
    queued_at: float
    owner: Results
    waiting: int = 0
    """Bytes of the request, until it is answered."""
    triggered: bool = False
    """Came by a trigger: its answer is to be read as a web server's."""
    kept: bool = True
    """False once it had to make room."""
    status: int = 0
    content_type: str = ""
    body: bytearray = field(default_factory=bytearray)
    size: int = 0
    """Bytes of the whole answer, of which ``body`` may be the beginning."""
    complete: bool = False

    def begin(self, call: Call, response: Response, *, last: bool) -> None:
        self.status, headers = response.status, response.headers
        if response.passed_on and self.triggered:
            self.status, headers = trigger.answer(headers)
        self.owner.waiting -= self.waiting
        self.waiting = 0
        for name, value in headers:
            if name.lower() == b"content-type":
                self.content_type = value[:CAUSE_BYTES].decode("latin-1")
        self.more(response.body, last=last)

    def more(self, body: list[bytes], *, last: bool) -> None:
        for piece in body:
            self.size += len(piece)
            if self.kept and (room := RESULT_BYTES - len(self.body)) > 0:
                kept = piece[:room]
                self.body += kept
                self.owner.grew(len(kept))
        self.complete = last

    def broken(self) -> None:
        self.status, self.complete = 502, True

    def document(self) -> dict[str, object]:
        """As ``/nbfn/v1/calls/:id`` tells it."""
        return {
            "done": self.complete,
            "content_type": self.content_type,
            "bytes": self.size,
            "cut": self.size > len(self.body),
        }


class Results:
    """The newest thousand, 64 MiB at most; they end with the process."""

    def __init__(self) -> None:
        self.waiting = 0
        """Bytes of the requests that are not answered."""
        self._results: OrderedDict[str, Result] = OrderedDict()
        self._bytes = 0

    def new(
        self, call_id: str, fn_id: str, queued_at: float, size: int, *, triggered: bool = False
    ) -> Result | None:
        """A place for the answer of this call; None if too much waits already."""
        if self.waiting + size > WAITING_BYTES:
            return None
        self.waiting += size
        result = self._results[call_id] = Result(fn_id, queued_at, self, size, triggered)
        if len(self._results) > _RESULTS:
            self._drop_oldest()
        return result

    def get(self, call_id: str) -> Result | None:
        """The answer, whole or not, if it is (still) kept."""
        return self._results.get(call_id)

    def grew(self, by: int) -> None:
        """An answer takes this much more room."""
        self._bytes += by
        while self._bytes > _RESULTS_BYTES and len(self._results) > 1:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, oldest = self._results.popitem(last=False)
        self._bytes -= len(oldest.body)
        oldest.kept = False
