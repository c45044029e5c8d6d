"""Answers that come piece by piece, of functions that yield: only loaded once one does.

What a function yields is sent at once. What is only known at the end (its time, its output, what it raised)
goes into trailers, and for an nbfn caller also into the last record (``docs/wire.md`` §2.5).
"""

from __future__ import annotations

from binascii import b2a_base64
from time import perf_counter

from . import errors
from .errors import BadResult
from .http import Disconnected
from .jsontext import dumps
from .values import BYTES, NDJSON, TEXT, for_anyone
from .wire import RECORD_END, RECORD_FRAME, RECORD_HEAD, RECORD_JSON, STREAM, is_bulky, is_plain, record_salt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Any

    from .context import Context
    from .output import Tail

    Parts = Sequence[bytes | memoryview]
    Send = Callable[[Parts], None]
    Failed = Callable[[BaseException], bytes]


class Stream:
    """The values of a generator, on their way, each as its caller wants it.

    ``status``, ``content_type`` and ``headers`` (whole lines) are known once :meth:`run` sends something,
    ``trailers`` once it has returned.
    """

    status = 200
    content_type = STREAM
    headers = ""
    trailers = ""

    def __init__(self, values: Any, tail: Tail, wait: Callable[[Awaitable[object]], object]) -> None:
        self._values = values
        self._tail = tail
        self._wait = wait
        self._count = 0
        self._sending_s = 0.0
        self._run_ms = 0.0
        self._output, self._output_cut = b"", 0

    def run(self, send: Send) -> None:
        """Send all that comes. What the function raises is told, not raised.

        Raises:
            Disconnected: nobody reads any more; the generator was closed.
        """
        error: BaseException | None = None
        began = perf_counter()
        try:
            self._begin(send)
            if hasattr(self._values, "__anext__"):
                self._wait(self._pump_async(send))
            else:
                self._pump(send)
        except Disconnected:
            raise
        except BaseException as raised:
            error = raised
        self._run_ms = (perf_counter() - began - self._sending_s) * 1e3
        self._output, self._output_cut = self._tail.take()
        last = self._finish(error)
        self.trailers = self._told(error)
        send(last)

    def _pump(self, send: Send) -> None:
        try:
            for value in self._values:
                self._emit(value, send)
        finally:
            self._values.close()

    async def _pump_async(self, send: Send) -> None:
        # All of it in one task: what is open across a yield, such as a timeout, belongs to one.
        try:
            async for value in self._values:
                self._emit(value, send)
        finally:
            await self._values.aclose()

    def _emit(self, value: object, send: Send) -> None:
        parts = self._encode(value)
        self._count += 1
        began = perf_counter()
        send(parts)
        self._sending_s += perf_counter() - began

    def _told(self, error: BaseException | None) -> str:
        lines = f"Nbfn-Run-Ms: {self._run_ms:.3f}\r\n"
        if self._output:
            lines += f"Nbfn-Output: {_base64(self._output)}\r\n"
        if self._output_cut:
            lines += f"Nbfn-Output-Cut: {self._output_cut}\r\n"
        if error is not None:
            lines += f"Nbfn-Error: {errors.header(error)}\r\n"
        return lines

    def _begin(self, send: Send) -> None:
        """Before the function has said anything."""

    def _encode(self, value: object) -> Parts:
        """One value, ready to be sent. Raises BadResult: it cannot be."""
        raise NotImplementedError

    def _finish(self, error: BaseException | None) -> Parts:
        """What follows the last value."""
        raise NotImplementedError


class Records(Stream):
    """For an nbfn caller: the values as they are, and at the end how it went."""

    def __init__(
        self,
        values: Any,
        tail: Tail,
        wait: Callable[[Awaitable[object]], object],
        *,
        key: bytes,
        salt: bytes,
        may_pickle: bool,
        document: Failed,
    ) -> None:
        super().__init__(values, tail, wait)
        self._key = key
        self._salt = salt
        self._may_pickle = may_pickle
        self._document = document

    def _begin(self, send: Send) -> None:
        send(())  # the head alone: the caller hears at once where it runs, and whether it is cold

    def _encode(self, value: object) -> Parts:
        if not (self._may_pickle and is_bulky(value)) and is_plain(value):
            return _record(RECORD_JSON, [dumps(value)])
        if not self._key or not self._salt:
            raise BadResult(
                f"a {type(value).__qualname__} in the stream is not plain JSON, and without a key nothing "
                "else is sent"
            )
        from .frames import dump_result

        frame, _ = dump_result(value, self._key, record_salt(self._salt, self._count))
        return _record(RECORD_FRAME, frame)

    def _finish(self, error: BaseException | None) -> Parts:
        told = {
            "run_ms": round(self._run_ms, 3),
            "output": _base64(self._output),
            "output_cut": self._output_cut,
        }
        document = b"null" if error is None else self._document(error)
        return _record(RECORD_END, [dumps(told)[:-1], b',"error":', document, b"}"])


class Pieces(Stream):
    """For anyone else: bytes and text as they are, everything else as a line of JSON each."""

    content_type = ""

    def __init__(
        self,
        values: Any,
        tail: Tail,
        wait: Callable[[Awaitable[object]], object],
        *,
        failed: Failed,
        context: Context | None = None,
    ) -> None:
        super().__init__(values, tail, wait)
        self._failed = failed
        self._context = context

    def _encode(self, value: object) -> Parts:
        if not self._count:
            self._decide(value)
        if self.content_type == NDJSON:
            if isinstance(value, bytes | bytearray | memoryview):
                raise BadResult("bytes came after a value that is JSON: a stream is of one kind")
            return for_anyone(value)[1], b"\n"
        if isinstance(value, str):
            return (value.encode("utf-8", "backslashreplace"),)
        if isinstance(value, bytes | bytearray | memoryview):
            return (bytes(value),)
        raise BadResult(f"a {type(value).__qualname__} came after bytes or text: a stream is of one kind")

    def _decide(self, first: object) -> None:
        """What kind of stream it is, by its first value, unless the function has said so itself."""
        self.content_type = NDJSON
        if isinstance(first, str):
            self.content_type = TEXT
        elif isinstance(first, bytes | bytearray | memoryview):
            self.content_type = BYTES
        if self._context is not None:
            from .context import header_lines

            self.content_type = self._context.response_headers.get("content-type", self.content_type)
            self.headers = header_lines(self._context)

    def _finish(self, error: BaseException | None) -> Parts:
        if self._count:  # what has been sent stands; a trailer tells what went wrong
            if error is not None:
                self._failed(error)
            return ()
        if error is None:
            self._decide(None)
            return ()
        self.status, self.content_type = 502, "application/json"
        self.headers = f"Nbfn-Error: {errors.header(error)}\r\n"
        return (self._failed(error),)


def _record(kind: int, parts: Parts) -> Parts:
    return [RECORD_HEAD.pack(kind, sum(map(len, parts))), *parts]


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()
