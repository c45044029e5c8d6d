"""One call over HTTP: request, answer, result."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Literal, cast

import httpx

from nbfn.errors import CallTimeout, ExecutorLost, PayloadError
from nbfn.invoke import tracebacks
from nbfn.invoke.codec import Seal, decode_result, encode_call
from nbfn.invoke.failures import Explain, failure
from nbfn.runtime import wire
from nbfn.spec import CallResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbfn.invoke.codec import Body
    from nbfn.invoke.context import CallContext
    from nbfn.spec import Deployment, Stage

_SALT_BYTES = 16
# httpx hands what a send() left over to the next one by slicing: pieces that fit a socket's buffer at once
# keep that from copying a large body many times.
_PIECE_BYTES = 256 * 1024
_CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytearray
    took_ms: float

    @property
    def content_type(self) -> str:
        text: str = self.headers.get("content-type", "")
        return text.partition(";")[0].strip()


class Caller:
    """Calls functions through ``client``. Safe to use from several threads, as the client is."""

    def __init__(self, client: httpx.Client, *, explain: Explain = failure) -> None:
        """``explain`` puts answers that are not the function's own into errors, in the target's words."""
        self._client = client
        self._explain = explain

    def call(
        self,
        deployment: Deployment,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        context: CallContext,
        *,
        timeout_s: float | None = None,
    ) -> CallResult:
        """Call it once and wait. What the function raised is ``error`` of the result, ready to be raised.

        ``timeout_s`` is how long this side waits, whatever the function's limit (None: as long as it takes).

        Raises:
            PayloadError: an argument or the result cannot cross.
            CallRefused, CallTimeout, InstanceFailed: it ended without the function's own answer.
            NotFound: the function is not deployed (any more).
            ExecutorLost: the connection broke after the call was sent; it may have run.
            httpx.ConnectError: nothing was sent.
        """
        __tracebackhide__ = True
        seal = Seal(deployment.key, os.urandom(_SALT_BYTES))
        body = encode_call(deployment.spec.name, args, kwargs, context, seal)
        answer = self._send(deployment, body, seal, timeout_s)
        call_id = answer.headers.get("fn-call-id", "")
        if answer.status != 200:
            raise self._explain(answer.status, answer.body, answer.headers, deployment, call_id)
        value, error = _outcome(answer, deployment, context, seal, call_id)
        return _result(answer, call_id, value, error)

    def _send(self, deployment: Deployment, body: Body, seal: Seal, timeout_s: float | None) -> _Answer:
        __tracebackhide__ = True
        request = self._client.build_request(
            "POST",
            deployment.url,
            content=cast("Iterator[bytes]", _pieces(body.parts)),  # views are as good, and copied once less
            headers={
                "Content-Type": body.content_type,
                "Content-Length": str(body.length),
                wire.SALT_HEADER: seal.salt.hex(),
            },
            timeout=httpx.Timeout(timeout_s, connect=_CONNECT_TIMEOUT_S),
        )
        name = deployment.spec.name
        began = perf_counter()
        try:
            response = self._client.send(request, stream=True)
            try:
                received = bytearray()
                for piece in response.iter_raw():
                    received += piece
            finally:
                response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            if isinstance(error, httpx.ConnectError):
                raise
            raise httpx.ConnectError(f"no connection within {_CONNECT_TIMEOUT_S} s") from error
        except httpx.TimeoutException as error:
            raise CallTimeout(
                f"{name}() gave no answer within {timeout_s} s; it may still be running",
                hint="wait longer, or look at its logs",
            ) from error
        except httpx.TransportError as error:
            raise ExecutorLost(
                f"the executor went away during the call of {name}(); it may have run",
                hint="call again: a new executor starts",
            ) from error
        return _Answer(response.status_code, response.headers, received, (perf_counter() - began) * 1e3)


def _pieces(parts: Sequence[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    for part in parts:
        if len(part) <= _PIECE_BYTES:
            yield part
        else:
            view = memoryview(part)
            for start in range(0, len(view), _PIECE_BYTES):
                yield view[start : start + _PIECE_BYTES]


def _outcome(
    answer: _Answer, deployment: Deployment, context: CallContext, seal: Seal, call_id: str
) -> tuple[object, BaseException | None]:
    """The value, or the exception that the function raised."""
    __tracebackhide__ = True
    spec, kind = deployment.spec, answer.content_type
    if kind in (wire.RESULT_JSON, wire.RESULT_FRAME):
        return decode_result(kind, answer.body, context, seal), None
    if kind != wire.ERROR_JSON:
        raise PayloadError(
            f"{spec.name}() answered {kind or 'something without a type'}, not as a function of nbfn does",
            hint="functions made with another FDK are called over plain HTTP, at their url",
            call_id=call_id,
        )
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise PayloadError(f"{spec.name}() failed, and what it says of that is not readable", call_id=call_id)
    instance_id = answer.headers.get("nbfn-instance-id", "")
    origin = tracebacks.Origin(spec.name, spec.app, instance_id, call_id)
    error = tracebacks.rebuild(document, context, seal, origin)
    if isinstance(error, PayloadError):
        raise error
    tracebacks.annotate(error, document, origin)
    return None, error


def _result(answer: _Answer, call_id: str, value: object, error: BaseException | None) -> CallResult:
    headers = answer.headers
    served = _number(headers, "nbfn-calls-served")
    start = _start(headers.get("nbfn-start", ""), served)
    timings: dict[Stage, float] = {}
    stages: tuple[tuple[Stage, str], ...] = (
        ("queue", "nbfn-queue-ms"),
        ("start", "nbfn-start-ms"),
        ("import", "nbfn-import-ms"),
        ("run", "nbfn-run-ms"),
        ("total", "nbfn-total-ms"),
    )
    for stage, name in stages:
        took_ms = _number(headers, name)
        if took_ms is not None and not (stage in ("start", "import") and start == "warm"):
            timings[stage] = took_ms
    timings.setdefault("total", answer.took_ms)
    output_cut = int(_number(headers, "nbfn-output-cut") or 0)
    return CallResult(
        call_id=call_id,
        start=start,
        reason=headers.get("nbfn-cold-reason", ""),
        timings_ms=timings,
        instance_id=headers.get("nbfn-instance-id", ""),
        calls_served=int(served or 0),
        output=_output(headers.get("nbfn-output", ""), cut=output_cut > 0),
        output_cut=output_cut,
        value=value,
        error=error,
    )


def _start(told: str, served: float | None) -> Literal["cold", "warm", ""]:
    """What the target tells; else what the runtime's count does."""
    if told == "cold" or (not told and served == 0):
        return "cold"
    return "warm" if told == "warm" or served else ""


def _number(headers: httpx.Headers, name: str) -> float | None:
    try:
        return float(headers[name])
    except (KeyError, ValueError):
        return None


def _output(text: str, *, cut: bool) -> str:
    try:
        tail = base64.b64decode(text)
    except ValueError:
        return ""
    if cut:  # it may begin in the middle of a character
        tail = tail.lstrip(bytes(range(0x80, 0xC0)))
    return tail.decode("utf-8", "replace")
