"""What a function yields, for ``for`` and ``async for``."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from nbfn.calls.crew import crew

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType

    from nbfn.invoke import Cancel, ResultStream
    from nbfn.spec import CallResult

T_co = TypeVar("T_co", covariant=True)

_END = object()


class Stream(Generic[T_co]):
    """The values of one call, as the function yields them. The call begins with the first that is asked for.

    Closing it, leaving a ``with`` of it, or interrupting it before its end stops the call and its instance.
    """

    def __init__(
        self, begin: Callable[[], ResultStream], cancel: Cancel, on_end: Callable[[CallResult], None]
    ) -> None:
        self._begin = begin
        self._cancel = cancel
        self._on_end = on_end
        self._values: ResultStream | None = None
        self._over = False

    @property
    def result(self) -> CallResult | None:
        """Cold or warm, what it cost and printed; None until it has ended."""
        return self._values.result if self._values is not None else None

    def close(self) -> None:
        """Stop the call, if it is not over."""
        self._over = True
        if self.result is not None:
            return
        self._cancel.ask()
        if self._values is not None:
            with suppress(ValueError):  # another thread waits for a value: it hears that it was cancelled
                self._values.close()

    def __iter__(self) -> Iterator[T_co]:
        return self

    def __next__(self) -> T_co:
        __tracebackhide__ = True
        if self._over:
            raise StopIteration
        try:
            if self._values is None:
                self._values = self._begin()
            return cast("T_co", next(self._values))
        except BaseException:
            self._over = True
            if self.result is not None:
                self._on_end(self.result)
            raise

    def __aiter__(self) -> AsyncIterator[T_co]:
        return self

    async def __anext__(self) -> T_co:
        __tracebackhide__ = True
        try:
            value = await asyncio.wrap_future(crew().start(lambda: next(self, _END)))
        except asyncio.CancelledError:
            self._over = True
            self._cancel.ask()
            raise
        if value is _END:
            raise StopAsyncIteration
        return cast("T_co", value)

    async def aclose(self) -> None:
        """As :meth:`close`."""
        self.close()

    def __enter__(self) -> Stream[T_co]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
