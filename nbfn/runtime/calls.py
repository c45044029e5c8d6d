"""One call: arguments in, the function run, its answer out, whatever happens in between."""

from __future__ import annotations

import io
from binascii import b2a_base64
from time import monotonic, perf_counter

from . import errors
from .arguments import fit, fit_nothing
from .context import Context, respond
from .errors import BadArguments, BadResult, Refused
from .jsontext import dumps, loads
from .output import pass_on
from .values import for_anyone, is_stream
from .wire import (
    CALL_FRAME,
    CALL_JSON,
    ERROR_JSON,
    MEMORY_HEADER,
    PYTHON,
    PYTHON_HEADER,
    RESULT_FRAME,
    RESULT_JSON,
    RUNTIME_CONTRACT,
    SALT_HEADER,
    STREAM,
    is_bulky,
    is_plain,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .entry import Function
    from .http import Request
    from .memory import Loan, Memory
    from .output import Tail
    from .streams import Stream

_PYTHON = PYTHON_HEADER.lower()
_SALT = SALT_HEADER.lower()
_MEMORY = MEMORY_HEADER.lower()
_SALT_BYTES = 16


class Answer:
    """What goes back: ``headers`` are whole lines, ``body`` its parts.

    A ``stream`` brings status, content type and body itself.
    """

    __slots__ = ("body", "buffer_bytes", "headers", "is_beside", "status", "stream")

    def __init__(
        self, status: int, content_type: str, body: list[bytes | memoryview], more: str = ""
    ) -> None:
        self.status = status
        self.headers = f"Content-Type: {content_type}\r\n{more}"
        self.body = body
        self.buffer_bytes = 0
        """Of the result, the large pieces."""
        self.is_beside = False
        """True if those are in the call's memory, not in the body."""
        self.stream: Stream | None = None

    @classmethod
    def of(cls, stream: Stream) -> Answer:
        """What a generator gives, sent while it runs."""
        answer = cls(stream.status, "", [])
        answer.headers, answer.stream = "", stream
        return answer


class Calls:
    """Calls of one function in one instance."""

    def __init__(self, function: Function, *, key: bytes, instance_id: str, began: float, tail: Tail) -> None:
        self._function = function
        self._key = key
        self._tail = tail
        self._began = began
        self._served = 0
        self._run_ms = 0.0
        self._runner: Any = None  # an asyncio.Runner, once an async function asks for one
        self._memory: Memory | None = None  # once a call brings some
        self._constant_headers = (
            f"Nbfn-Runtime: {RUNTIME_CONTRACT}\r\n"
            f"{PYTHON_HEADER}: {PYTHON}\r\n"
            f"Nbfn-Instance-Id: {instance_id}\r\n"
            f"Nbfn-Import-Ms: {function.import_ms:.3f}\r\n"
        )

    @property
    def holds_memory(self) -> bool:
        """True if memory of callers is kept for their next call."""
        return self._memory is not None and self._memory.holds

    def forget_memory(self) -> None:
        """Let go of it."""
        if self._memory is not None:
            self._memory.forget()

    def answer(self, request: Request) -> Answer:
        """Run the function for ``request``. Never raises: a failure is an answer."""
        self._tail.begin()
        self._run_ms = 0.0
        kind = request.headers.get("content-type", "")
        if ";" in kind:
            kind = kind.partition(";")[0].strip()
        if kind in (CALL_JSON, CALL_FRAME):
            answer = self._answer_nbfn(request, kind)
        else:
            answer = self._answer_anyone(request)
        age_ms = (monotonic() - self._began) * 1e3
        answer.headers += (
            f"{self._constant_headers}Nbfn-Calls-Served: {self._served}\r\n"
            f"Nbfn-Instance-Age-Ms: {age_ms:.1f}\r\n"
        )
        self._served += 1
        if answer.stream is not None:  # it has only begun: its trailers will tell
            return answer
        answer.headers += f"Nbfn-Run-Ms: {self._run_ms:.3f}\r\n"
        output, cut = self._tail.take()
        if output:
            answer.headers += f"Nbfn-Output: {b2a_base64(output, newline=False).decode()}\r\n"
            if cut:
                answer.headers += f"Nbfn-Output-Cut: {cut}\r\n"
        return answer

    def _answer_nbfn(self, request: Request, kind: str) -> Answer:
        """Also says what became of the memory that the call brought; by that, that it may bring some."""
        loan, failed = None, None
        if _MEMORY in request.headers:
            try:
                loan = self._borrow(request)
            except BaseException as error:
                failed = self._failed_nbfn(error, b"")
        answer = failed or self._answer_values(request, kind, loan)
        free = loan is None or loan.give_back()
        answer.headers += (
            f"{MEMORY_HEADER}: {answer.buffer_bytes} {'beside' if answer.is_beside else 'within'} "
            f"{'free' if free else 'kept'}\r\n"
        )
        return answer

    def _borrow(self, request: Request) -> Loan:
        if self._memory is None:
            from .memory import Memory

            self._memory = Memory()
        return self._memory.take(request.headers[_MEMORY], request.descriptors)

    def _answer_values(self, request: Request, kind: str, loan: Loan | None) -> Answer:
        salt = b""
        try:
            salt = _salt(request)
            if kind == CALL_JSON:
                args, kwargs = _arguments(request.body)
            else:
                from .frames import load_call

                args, kwargs = load_call(
                    request.body, self._key, salt, loan.incoming if loan is not None else None
                )
            value = self._run(args, kwargs)
            if is_stream(value):
                return self._stream_records(value, request, salt)
            if not (self._may_pickle(request, salt) and is_bulky(value)) and is_plain(value):
                return Answer(200, RESULT_JSON, [b'{"value":', dumps(value), b"}"])
            return self._framed(value, salt, loan.outgoing if loan is not None else None)
        except BaseException as error:
            return self._failed_nbfn(error, salt)

    def _answer_anyone(self, request: Request) -> Answer:
        try:
            if self._function.is_context_style:
                context = Context(request.headers)
                value = self._run((context, io.BytesIO(request.body)), {})
                if is_stream(value):
                    return self._stream_pieces(value, context)
                content_type, more, body = respond(context, value)
                return Answer(200, content_type, [body], more)
            args, kwargs = self._fit(request.body)
            value = self._run(args, kwargs)
            if is_stream(value):
                return self._stream_pieces(value)
            content_type, body = for_anyone(value)
            return Answer(200, content_type, [body])
        except BaseException as error:
            return self._failed(error)

    def _fit(self, body: bytearray) -> tuple[Sequence[Any], dict[str, Any]]:
        parameters = self._function.parameters
        if parameters is None:  # its import failed, and running it will say so
            return (), {}
        if parameters.raw:
            return [bytes(body)], {}
        try:
            text = str(body, "utf-8")
            if not text.strip():
                fit_nothing(parameters)
                return (), {}
            value = loads(text)
        except (ValueError, RecursionError) as error:
            raise BadArguments(f"the body is not JSON: {errors.message_of(error)}") from None
        return fit(parameters, value)

    def _run(self, args: Sequence[Any], kwargs: dict[str, Any]) -> object:
        handler = self._function.handler
        began = perf_counter()
        try:
            value = handler(*args, **kwargs)
            if hasattr(value, "__await__"):
                value = self._await(value)
            return value
        finally:
            self._run_ms = (perf_counter() - began) * 1e3

    def _await(self, awaitable: Any) -> object:
        import asyncio

        async def wait() -> object:
            return await awaitable

        if self._runner is None:  # kept, so that clients and pools of the function's live on its loop
            self._runner = asyncio.Runner()
        return self._runner.run(wait())

    def _may_pickle(self, request: Request, salt: bytes) -> bool:
        """True if the caller could read a pickle of anything: it has the key, and this very Python."""
        return bool(self._key and salt) and request.headers.get(_PYTHON) == PYTHON

    def _stream_records(self, values: Any, request: Request, salt: bytes) -> Answer:
        if STREAM not in request.headers.get("accept", ""):
            raise BadResult(
                "the function yields its values, and one result was asked for: call it with .stream()"
            )
        from .streams import Records

        return Answer.of(
            Records(
                values,
                self._tail,
                self._await,
                key=self._key,
                salt=salt,
                may_pickle=self._may_pickle(request, salt),
                document=lambda error: self._document(error, salt)[0],
            )
        )

    def _stream_pieces(self, values: Any, context: Context | None = None) -> Answer:
        from .streams import Pieces

        def failed(error: BaseException) -> bytes:
            return bytes(self._failed(error).body[0])

        return Answer.of(Pieces(values, self._tail, self._await, failed=failed, context=context))

    def _framed(self, value: object, salt: bytes, memory: memoryview | None) -> Answer:
        if not self._key or not salt:
            raise BadResult(
                f"the result, a {type(value).__qualname__}, is not plain JSON, and without a key "
                "nothing else is sent"
            )
        from .frames import dump_result

        parts, size = dump_result(value, self._key, salt, memory)
        answer = Answer(200, RESULT_FRAME, parts)
        answer.buffer_bytes = size
        answer.is_beside = memory is not None and 0 < size <= len(memory)
        return answer

    def _failed_nbfn(self, error: BaseException, salt: bytes) -> Answer:
        body, more = self._document(error, salt)
        return Answer(200, ERROR_JSON, [body], more)

    def _document(self, error: BaseException, salt: bytes) -> tuple[bytes, str]:
        """The error document, and the header line that sums it up. Writes the log too."""

        def freeze(linked: BaseException) -> str | None:
            if not self._key or not salt:
                return None
            from .frames import freeze

            return freeze(linked, self._key, salt)

        try:
            body = dumps(
                errors.document(
                    error,
                    func_file=self._function.file,
                    importing=error is self._function.error,
                    freeze=freeze,
                )
            )
            more = f"Nbfn-Error: {errors.header(error)}\r\n"
            self._log(error)
        except BaseException as second:  # out of memory, most likely
            more = f"Nbfn-Error: {type(error).__name__}\r\n"
            body = b'{"type":"%s","module":"nbfn","message":"%s while telling about it"}' % (
                type(error).__name__.encode("ascii", "replace"),
                type(second).__name__.encode("ascii", "replace"),
            )
        return body, more

    def _failed(self, error: BaseException) -> Answer:
        try:
            body = dumps(
                {
                    "message": errors.headline(error),
                    "type": type(error).__name__,
                    "traceback": "" if isinstance(error, Refused) else errors.text(error),
                    "import": error is self._function.error,
                }
            )
            more = f"Nbfn-Error: {errors.header(error)}\r\n"
            self._log(error)
        except BaseException:
            body, more = b'{"message":"function failed"}', f"Nbfn-Error: {type(error).__name__}\r\n"
        return Answer(502, "application/json", [body], more)

    def _log(self, error: BaseException) -> None:
        """Put the traceback into the log: a Fn server tells its caller no more than "function failed".

        It goes around the tail of output, since an nbfn caller shows the exception itself.
        """
        told = f"{errors.headline(error)}\n" if isinstance(error, Refused) else errors.text(error)
        pass_on(2, told.encode("utf-8", "backslashreplace"))


def _salt(request: Request) -> bytes:
    text = request.headers.get(_SALT)
    if text is None:
        return b""
    try:
        salt = bytes.fromhex(text)
    except ValueError:
        salt = b""
    if len(salt) != _SALT_BYTES:
        raise BadArguments(f"{SALT_HEADER} is not {_SALT_BYTES} bytes in hex")
    return salt


def _arguments(body: bytearray) -> tuple[Sequence[Any], dict[str, Any]]:
    try:
        call = loads(str(body, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadArguments(f"the call is not JSON: {errors.message_of(error)}") from None
    if isinstance(call, dict):
        args, kwargs = call.get("args", []), call.get("kwargs", {})
        if isinstance(args, list) and isinstance(kwargs, dict):
            return args, kwargs
    raise BadArguments('a call is {"args": […], "kwargs": {…}}')
