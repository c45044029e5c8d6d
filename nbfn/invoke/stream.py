"""What a function yields, value by value, while it runs."""

from __future__ import annotations

import json
from time import perf_counter
from typing import TYPE_CHECKING

from nbfn.errors import InstanceFailed, PayloadError
from nbfn.invoke import tracebacks
from nbfn.invoke.codec import Seal, load
from nbfn.invoke.connection import Broken
from nbfn.invoke.results import result_of
from nbfn.runtime import wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from nbfn.invoke.context import CallContext
    from nbfn.invoke.post import Exchange
    from nbfn.invoke.through import Received
    from nbfn.spec import CallResult, Deployment


class ResultStream:
    """An iterator over the values of one call. Closing it before its end stops the call.

    ``result`` is what the call cost and printed, once it has ended; its ``value`` is None.
    """

    def __init__(
        self,
        exchange: Exchange | Received,
        deployment: Deployment,
        context: CallContext,
        seal: Seal,
        told: AbstractContextManager[None],
    ) -> None:
        self.result: CallResult | None = None
        self.call_id = exchange.response.headers.get("fn-call-id", "")
        self._exchange = exchange
        self._deployment = deployment
        self._context = context
        self._seal = seal
        self._told = told
        self._began = perf_counter()
        self._count = 0
        self._values = self._read()

    def __iter__(self) -> Iterator[object]:
        return self

    def __next__(self) -> object:
        """The next value.

        Raises:
            StopIteration: it has ended.
            Exception: whatever the function raised.
            InstanceFailed: it broke off: the instance died, or the executor went away.
            PayloadError: a value cannot be rebuilt here.
            CallCancelled, CallTimeout: as they say.
        """
        __tracebackhide__ = True
        return next(self._values)

    def close(self) -> None:
        """Stop the call, if it has not ended."""
        self._values.close()  # type: ignore[attr-defined]  # a generator
        self._exchange.close()

    def _read(self) -> Iterator[object]:
        __tracebackhide__ = True
        with self._told:
            try:
                for kind, body in _records(self._exchange.pieces()):
                    if kind == wire.RECORD_END:
                        self._end(body)
                    else:
                        yield self._value(kind, body)
            except Broken:
                pass  # as if it had ended here: the last record is what counts
        if self.result is None:
            raise InstanceFailed(
                f"{self._deployment.spec.name}() broke off after {self._count} values",
                hint="its logs may say why",
                call_id=self.call_id,
            )
        if self.result.error is not None:
            raise self.result.error

    def _value(self, kind: int, body: bytearray) -> object:
        index, self._count = self._count, self._count + 1
        if kind == wire.RECORD_FRAME:
            seal = Seal(self._seal.key, wire.record_salt(self._seal.salt, index))
            return load(wire.KIND_RESULT, body, self._context, seal)
        if kind != wire.RECORD_JSON:
            raise PayloadError("the stream holds something of an unknown kind", call_id=self.call_id)
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise PayloadError(f"a value is not JSON as it says: {error}", call_id=self.call_id) from error

    def _end(self, body: bytearray) -> None:
        try:
            end = json.loads(body)
        except (ValueError, RecursionError):
            end = None
        if not isinstance(end, dict):
            raise PayloadError("how the stream ended is not readable", call_id=self.call_id)
        headers = self._exchange.response.headers
        told = {
            "nbfn-run-ms": str(end.get("run_ms", "")),
            "nbfn-output": str(end.get("output", "")),
            "nbfn-output-cut": str(end.get("output_cut", "")),
        }
        error = None
        if end.get("error") is not None:
            spec = self._deployment.spec
            instance_id = headers.get("nbfn-instance-id", "")
            origin = tracebacks.Origin(spec.name, spec.app, instance_id, self.call_id)
            error = tracebacks.raised(end["error"], self._context, self._seal, origin)
        took_ms = (perf_counter() - self._began) * 1e3
        self.result = result_of({**headers, **told}, took_ms, error=error)


def _records(pieces: Iterable[bytes]) -> Iterator[tuple[int, bytearray]]:
    """Kind and content of each record; what is left of a stream that was cut is dropped."""
    head = wire.RECORD_HEAD.size
    pending = bytearray()
    for piece in pieces:
        pending += piece
        while len(pending) >= head:
            kind, size = wire.RECORD_HEAD.unpack_from(pending)
            if len(pending) < head + size:
                break
            body = pending[head : head + size]
            del pending[: head + size]
            yield kind, body
