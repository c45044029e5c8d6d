"""A call as a thing that one holds: begun here, or found again by its id.

What runs the call is behind :class:`Running`: today a thread of this process that waits for the answer. A
target that keeps answers for later needs another one there, and nothing else.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar, cast

from nbfn.errors import CallCancelled, CallError, ExecutorError, PayloadError, RemoteError
from nbfn.observe.logs import Logs
from nbfn.spec import CallRecord, CallResult

if TYPE_CHECKING:
    from collections.abc import Generator
    from concurrent.futures import Future

    from nbfn.invoke import Cancel
    from nbfn.session import Session

R_co = TypeVar("R_co", covariant=True)

_LOOK_EVERY_S = 0.2
_CANCELLED = 444

Status = Literal["waiting", "running", "done", "failed", "cancelled"]


class Running(Protocol):
    """What a call does elsewhere, as its handle sees it."""

    @property
    def status(self) -> Status:
        """Where it stands; never waits."""
        ...

    def outcome(self, timeout_s: float | None) -> CallResult:
        """How it ended, once it has. Raises TimeoutError, or what kept it from ending by itself."""
        ...

    def cancel(self) -> bool:
        """Stop it; False if it is already over."""
        ...


class InThread:
    """A call that a thread of this process waits for."""

    def __init__(self, future: Future[CallResult], cancel: Cancel) -> None:
        self.future = future
        self._cancel = cancel

    @property
    def status(self) -> Status:
        future = self.future
        if not future.done():
            return "running" if future.running() else "waiting"
        if future.cancelled() or isinstance(future.exception(), CallCancelled):
            return "cancelled"
        return "failed" if future.exception() or future.result().error else "done"

    def outcome(self, timeout_s: float | None) -> CallResult:
        __tracebackhide__ = True
        try:
            return self.future.result(timeout_s)
        except TimeoutError:
            if self.future.done():
                raise  # of the call itself
            raise TimeoutError(f"the call is not over after {timeout_s} s; it goes on") from None
        except CancelledError:
            raise CallCancelled("the call was cancelled before it began") from None

    def cancel(self) -> bool:
        if self.future.done():
            return False
        self.future.cancel()
        self._cancel.ask()
        return True


class Elsewhere:
    """A call that another process began: its record can be had, its value cannot."""

    def __init__(self, record: CallRecord, session: Session) -> None:
        self._record = record
        self._session = session

    @property
    def status(self) -> Status:
        self._look()
        match self._record:
            case CallRecord(status=0, result=CallResult(instance_id="")):
                return "waiting"
            case CallRecord(status=0):
                return "running"
        if self._record.status == _CANCELLED:
            return "cancelled"
        return "failed" if self._record.message else "done"

    def outcome(self, timeout_s: float | None) -> CallResult:
        __tracebackhide__ = True
        deadline = None if timeout_s is None else monotonic() + timeout_s
        while self.status in ("waiting", "running"):
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0:
                raise TimeoutError(f"the call is not over after {timeout_s} s; it goes on")
            sleep(_LOOK_EVERY_S if left is None else min(_LOOK_EVERY_S, left))
        record = self._record
        what = f"call {record.id} of {record.function or record.fn_id}"
        if record.status == _CANCELLED:
            raise CallCancelled(f"{what} was cancelled", call_id=record.id, status=record.status)
        if record.message:
            raise RemoteError(f"{what} failed: {record.message}", call_id=record.id, status=record.status)
        return record.result

    def cancel(self) -> bool:
        return self._session.ask(lambda target: target.cancel(self._record.id))

    def _look(self) -> None:
        if self._record.status == 0:
            self._record = self._session.ask(lambda target: target.call(self._record.id))


def found(call_id: str, session: Session) -> Call[Any]:
    """The handle of a call that some kernel began. Raises NotFound: its record is not kept (any more)."""
    record = session.ask(lambda target: target.call(call_id))
    return Call(record.id, record.function, record.fn_id, session, Elsewhere(record, session))


class Call(Generic[R_co]):
    """A call of a function that runs, or has run, in the background."""

    def __init__(self, call_id: str, name: str, fn_id: str, session: Session, running: Running) -> None:
        self.function = name
        self._id = call_id
        self._fn_id = fn_id
        self._session = session
        self._running = running

    @property
    def id(self) -> str:
        """What finds it again, with :func:`nbfn.call`, and its output in the logs."""
        details = self.details
        return details.call_id if details is not None and details.call_id else self._id

    @property
    def status(self) -> Status:
        """``waiting`` for its turn here, ``running``, or how it ended; never waits."""
        return self._running.status

    @property
    def done(self) -> bool:
        """True if it is over, however it ended."""
        return self.status not in ("waiting", "running")

    @property
    def details(self) -> CallResult | None:
        """Cold or warm, why, what it cost, what it printed; None until it has ended with an answer."""
        try:
            return self._running.outcome(0) if self.done else None
        except (CallError, ExecutorError, TimeoutError):
            return None

    def result(self, timeout_s: float | None = None) -> R_co:
        """What it returned, once it has.

        Raises:
            TimeoutError: it is not over within ``timeout_s`` seconds; it goes on.
            CallCancelled: it was cancelled.
            CallError, ExecutorLost: it ended without an answer of its own.
            PayloadError: another kernel made it, and has its value.
            Exception: whatever the function raised.
        """
        __tracebackhide__ = True
        outcome = self._running.outcome(timeout_s)
        if isinstance(self._running, Elsewhere):
            raise PayloadError(
                f"call {self.id} of {self.function} was answered to the kernel that made it",
                hint="its value is there; .details and .logs() are here too",
                call_id=self.id,
            )
        if outcome.error is not None:
            raise outcome.error
        return cast("R_co", outcome.value)

    def exception(self, timeout_s: float | None = None) -> BaseException | None:
        """What :meth:`result` would raise once it is over, or None. Raises TimeoutError if it is not."""
        try:
            return self._running.outcome(timeout_s).error
        except TimeoutError as error:
            if not self.done:
                raise
            return error
        except Exception as error:
            return error

    def cancel(self) -> bool:
        """Stop it, and the instance that runs it; False if it is over already."""
        return self._running.cancel()

    def logs(self) -> Logs:
        """What it has written so far, oldest first."""
        call_id = self.id
        return Logs(self._session.ask(lambda target: target.logs(self._fn_id, call_id=call_id)))

    def __await__(self) -> Generator[Any, None, R_co]:
        """``await call`` is what it returned. Cancelling the waiting does not cancel the call."""
        if isinstance(self._running, InThread):
            done = asyncio.wrap_future(self._running.future)
            yield from asyncio.wait([done]).__await__()
        else:
            yield from asyncio.to_thread(self._running.outcome, None).__await__()
        return self.result()

    def __repr__(self) -> str:
        details = self.details
        told = f": {details.summary()}" if details is not None else ""
        return f"<nbfn call {self.id} of {self.function}, {self.status}{told}>"
