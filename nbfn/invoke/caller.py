"""One call over HTTP: request, answer, result."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from nbfn.errors import CallCancelled, CallTimeout, CallTooLarge, ExecutorLost, PayloadError, RemoteError
from nbfn.invoke import foreign, tracebacks
from nbfn.invoke.codec import Seal, decode_result, encode_call
from nbfn.invoke.connection import Broken
from nbfn.invoke.failures import Explain, failure
from nbfn.invoke.memory import NOT_SHARED, Memory
from nbfn.invoke.post import Cancelled, Post
from nbfn.invoke.results import result_of
from nbfn.invoke.stream import ResultStream
from nbfn.invoke.through import Through
from nbfn.runtime import wire
from nbfn.transport import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import httpx

    from nbfn.invoke.codec import Body
    from nbfn.invoke.context import CallContext
    from nbfn.invoke.post import Cancel, Exchange
    from nbfn.invoke.through import Received
    from nbfn.spec import CallResult, Deployment

_PYTHON = wire.PYTHON_HEADER.lower()
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Terms:
    """How one call is made, beside what is called."""

    timeout_s: float | None = None
    """How long this side waits, whatever the function's limit (None: as long as it takes)."""
    cancel: Cancel | None = None
    """Ends it from another thread."""
    call_id: str = ""
    """The id that it shall have, if the executor takes one (empty: the executor makes it)."""


_PLAIN = Terms()


class Caller:
    """Calls functions of the executor at an endpoint, or through a client that knows how to ask a target.

    Safe to use from several threads; close it.
    """

    def __init__(
        self, way: Endpoint | httpx.Client, *, explain: Explain = failure, body_max_bytes: int | None = None
    ) -> None:
        """``explain`` puts answers that are not the function's own into errors, in the target's words.

        A call larger than ``body_max_bytes`` is not sent.
        """
        self._post: Post | Through = Post(way) if isinstance(way, Endpoint) else Through(way)
        self._memory = Memory() if isinstance(way, Endpoint) and way.socket is not None else None
        self._explain = explain
        self._body_max_bytes = body_max_bytes
        self._pythons: dict[bytes, str] = {}
        """Of each deployment, by its key, the Python that answered last."""

    def call(
        self,
        deployment: Deployment,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        context: CallContext,
        terms: Terms = _PLAIN,
    ) -> CallResult:
        """Call it once and wait. What the function raised is ``error`` of the result, ready to be raised.

        Raises:
            PayloadError: an argument or the result cannot cross.
            CallTooLarge: the arguments take more than the target takes.
            CallRefused, CallTimeout, CallCancelled, InstanceFailed: it ended without the function's answer.
            NotFound: the function is not deployed (any more).
            ExecutorLost: the connection broke after the call was sent; it may have run.
            NotSent: nobody listens there.
        """
        __tracebackhide__ = True
        seal = Seal(deployment.key, os.urandom(_SALT_BYTES))
        began = perf_counter()
        call = self._encoded(deployment, args, kwargs, context, seal)
        with _told(deployment, terms):
            exchange, body, memory = self._ask(deployment, call, seal, terms)
        took_ms = (perf_counter() - began) * 1e3
        response = exchange.response
        if response.status != 200:
            raise self._failure(exchange, body, deployment, context)
        headers = response.headers
        if self._has_changed(deployment, headers) and call.content_type == wire.CALL_FRAME:
            return self.call(deployment, args, kwargs, context, terms)  # that one was refused before it ran
        value, error = _outcome(headers, body, deployment, context, seal, memory)
        return result_of(headers, took_ms, value=value, error=error)

    def stream(
        self,
        deployment: Deployment,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        context: CallContext,
        terms: Terms = _PLAIN,
    ) -> ResultStream:
        """Call a function that yields; returns once it has begun, and gives its values as they come.

        Arguments and errors are those of :meth:`call`. What it raises is raised by the iteration.
        """
        __tracebackhide__ = True
        seal = Seal(deployment.key, os.urandom(_SALT_BYTES))
        call = self._encoded(deployment, args, kwargs, context, seal)
        with _told(deployment, terms):
            exchange = self._send(deployment, call, seal, terms, call.parts, f"Accept: {wire.STREAM}\r\n")
        headers = exchange.response.headers
        if exchange.response.status == 200 and _kind(headers) == wire.STREAM:
            return ResultStream(exchange, deployment, context, seal, _told(deployment, terms))
        with _told(deployment, terms):
            body = exchange.read()
        if exchange.response.status != 200:
            raise self._failure(exchange, body, deployment, context)
        _, error = _outcome(headers, body, deployment, context, seal)
        raise error or PayloadError(
            f"{deployment.spec.name}() returned a result and yielded nothing",
            hint="call it without stream",
            call_id=headers.get("fn-call-id", ""),
        )

    def close(self) -> None:
        """Drop the connections that are kept for further calls. Calls under way go on."""
        self._post.close()
        if self._memory is not None:
            self._memory.close()

    def _encoded(
        self,
        deployment: Deployment,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        context: CallContext,
        seal: Seal,
    ) -> Body:
        __tracebackhide__ = True
        name = deployment.spec.name
        if context.foreign:
            return foreign.encode(name, args, kwargs)
        same_python = self._pythons.get(deployment.key) == wire.PYTHON
        return encode_call(name, args, kwargs, context, seal, same_python=same_python)

    def _has_changed(self, deployment: Deployment, headers: Mapping[str, str]) -> bool:
        """True if the function was on this Python until now, and has been deployed on another since."""
        told = headers.get(_PYTHON, "")
        before = self._pythons.get(deployment.key, "")
        if told and told != before:
            self._pythons[deployment.key] = told
        return before == wire.PYTHON and told not in ("", wire.PYTHON)

    def _ask(
        self, deployment: Deployment, call: Body, seal: Seal, terms: Terms
    ) -> tuple[Exchange | Received, bytearray, memoryview | None]:
        """The answer, its body, and the memory where its buffers are instead of in the body."""
        __tracebackhide__ = True
        shelf = self._memory.shelf(deployment) if self._memory is not None else None
        loan = shelf.loan(call.buffers) if shelf is not None else None
        memory = None
        if loan is None:
            exchange = self._send(deployment, call, seal, terms, call.parts)
            body = exchange.read()
        else:
            parts = call.without_buffers if loan.has_arguments else call.parts
            try:
                exchange = self._send(deployment, call, seal, terms, parts, loan.header)
                body = exchange.read()
            except BaseException:
                loan.lose()
                raise
            memory = loan.settle(exchange.response.headers)
        if shelf is not None:
            shelf.heard(exchange.response.headers)
            if exchange.response.status == NOT_SHARED:  # the call has not begun
                return self._ask(deployment, call, seal, terms)
        return exchange, body, memory

    def _send(
        self,
        deployment: Deployment,
        call: Body,
        seal: Seal,
        terms: Terms,
        parts: Sequence[bytes | memoryview],
        more: str = "",
    ) -> Exchange | Received:
        __tracebackhide__ = True
        if self._body_max_bytes is not None and call.length > self._body_max_bytes:
            raise CallTooLarge(
                f"the arguments of {deployment.spec.name}() take {call.length / 1e6:.1f} MB, "
                f"and a call there holds {self._body_max_bytes / (1 << 20):g} MB",
                hint="put them into a bucket, and send their name",
            )
        headers = f"Content-Type: {call.content_type}\r\n{wire.SALT_HEADER}: {seal.salt.hex()}\r\n{more}"
        headers += f"{wire.PYTHON_HEADER}: {wire.PYTHON}\r\n"
        if terms.call_id:
            headers += f"{wire.CALL_ID_HEADER}: {terms.call_id}\r\n"
        return self._post.send(deployment.url, headers, parts, timeout_s=terms.timeout_s, cancel=terms.cancel)

    def _failure(
        self,
        exchange: Exchange | Received,
        body: bytearray,
        deployment: Deployment,
        context: CallContext,
    ) -> Exception:
        response = exchange.response
        call_id = response.headers.get("fn-call-id", "")
        if context.foreign and response.status == 502 and (told := foreign.raised(body)):
            name = deployment.spec.name
            return RemoteError(
                f"{name}(): {told}", hint=f"what it wrote is in {name}.logs()", call_id=call_id, status=502
            )
        return self._explain(response.status, body, response.headers, deployment, call_id)


@contextmanager
def _told(deployment: Deployment, terms: Terms) -> Iterator[None]:
    """What goes wrong on the way, in words of ours."""
    __tracebackhide__ = True
    name = deployment.spec.name
    try:
        yield
    except TimeoutError as error:
        raise CallTimeout(
            f"{name}() gave no answer within {terms.timeout_s} s; it may still be running",
            hint="wait longer, or look at its logs",
        ) from error
    except Cancelled:
        raise CallCancelled(f"{name}() was cancelled") from None
    except Broken as error:
        raise ExecutorLost(
            f"the executor went away during the call of {name}(); it may have run",
            hint="call again: a new executor starts",
        ) from error


def _kind(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip()


def _outcome(
    headers: Mapping[str, str],
    body: bytearray,
    deployment: Deployment,
    context: CallContext,
    seal: Seal,
    memory: memoryview | None = None,
) -> tuple[object, BaseException | None]:
    """The value, or the exception that the function raised."""
    __tracebackhide__ = True
    spec, kind, call_id = deployment.spec, _kind(headers), headers.get("fn-call-id", "")
    if context.foreign:
        return foreign.decode(headers.get("content-type", ""), body), None
    if kind in (wire.RESULT_JSON, wire.RESULT_FRAME):
        return decode_result(kind, body, context, seal, memory), None
    if kind != wire.ERROR_JSON:
        raise PayloadError(
            f"{spec.name}() answered {kind or 'something without a type'}, not as a function of nbfn does",
            hint="functions made with another FDK are called over plain HTTP, at their url",
            call_id=call_id,
        )
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    origin = tracebacks.Origin(spec.name, spec.app, headers.get("nbfn-instance-id", ""), call_id)
    return None, tracebacks.raised(document, context, seal, origin)
