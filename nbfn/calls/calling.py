"""Every way to call a deployed function, with the signature of the Python one."""

from __future__ import annotations

import asyncio
import functools
import inspect
import random
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sized
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypedDict, TypeVar, cast, overload

from nbfn.arguments import check_arguments
from nbfn.calls.crew import crew
from nbfn.calls.handle import Call, InThread
from nbfn.calls.ids import new_call_id
from nbfn.calls.mapping import Mapped
from nbfn.calls.stream import Stream
from nbfn.errors import BadInput, NbfnError
from nbfn.invoke import Cancel, Terms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Unpack

    from nbfn.calls.retries import Retries
    from nbfn.invoke import CallContext
    from nbfn.session import Session
    from nbfn.spec import CallResult, Deployment

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

_PLAIN = Terms()


class MapOptions(TypedDict, total=False):
    """How a map goes about its calls; see :meth:`Calling.map`."""

    concurrency: int | None
    ordered: bool
    return_exceptions: bool
    progress: Callable[[int, int | None], object] | Literal[False] | None


class Calling(ABC, Generic[P, R_co]):
    """What can be called once it is deployed; deployments are the subclass's business."""

    __wrapped__: Callable[P, R_co]
    __name__: str
    __signature__: inspect.Signature | None
    last: CallResult | None
    """Of the call that finished last, in whichever thread."""
    retries: Retries
    """When a call that failed is made again; see :func:`nbfn.function`."""

    @property
    @abstractmethod
    def session(self) -> Session:
        """The session that its calls go through."""

    @abstractmethod
    def _deployed(self) -> tuple[Deployment, CallContext]:
        """It, deployed by now, and how to call it."""

    @functools.cached_property
    def _is_async(self) -> bool:
        return inspect.iscoroutinefunction(inspect.unwrap(self.__wrapped__))

    @functools.cached_property
    def _yields(self) -> bool:
        inner = inspect.unwrap(self.__wrapped__)
        return inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run it remotely. What it printed is printed here, if this is the main thread.

        As in Python, a call of an async function is awaited, and one of a function that yields is iterated.
        An interrupt stops the call and its instance.

        Raises:
            ArgumentsError: a TypeError: arguments that do not fit the signature, as Python itself says it.
            CallError: it ended without an answer of its own.
            ExecutorLost: the executor died meanwhile: it may or may not have run.
            Exception: whatever the function raised.
        """
        __tracebackhide__ = True
        if self._yields:
            return cast("R_co", self._stream(args, kwargs))
        self._check(args, kwargs)
        if self._is_async:
            return cast("R_co", self._in_background(args, kwargs))
        return cast("R_co", self._value(args, kwargs))

    @overload
    def remote(self: Calling[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    def remote(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    def remote(self, *args: Any, **kwargs: Any) -> object:
        """The same as calling it; of an async function, what awaiting it would give."""
        __tracebackhide__ = True
        if self._yields:
            return self._stream(args, kwargs)
        self._check(args, kwargs)
        return self._value(args, kwargs)

    def local(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run it here, in this process."""
        return self.__wrapped__(*args, **kwargs)

    @overload
    def aio(
        self: Calling[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def aio(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]: ...
    def aio(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """``await f.aio(…)`` runs it remotely without holding up the event loop.

        Cancelling the task that awaits it stops the call and its instance.
        """
        __tracebackhide__ = True
        self._check_returns("aio")
        self._check(args, kwargs)
        return self._in_background(args, kwargs)

    @overload
    def spawn(self: Calling[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> Call[T]: ...
    @overload
    def spawn(self, *args: P.args, **kwargs: P.kwargs) -> Call[R_co]: ...
    def spawn(self, *args: Any, **kwargs: Any) -> Call[Any]:
        """Begin a call and go on: the handle has its result, its status and its logs, and can cancel it."""
        __tracebackhide__ = True
        self._check_returns("spawn")
        self._check(args, kwargs)
        deployment, _ = self._deployed()
        cancel, call_id = Cancel(), new_call_id()
        future = crew().start(lambda: self._call(args, kwargs, Terms(cancel=cancel, call_id=call_id)))
        return Call(call_id, self.__name__, deployment.fn_id, self.session, InThread(future, cancel))

    # What the inputs are is checked when they are sent: mypy does not find a first parameter's type in P.
    @overload
    def map(
        self: Calling[..., Coroutine[Any, Any, T]],
        inputs: Iterable[object],
        /,
        *more: Iterable[object],
        **options: Unpack[MapOptions],
    ) -> Mapped[T]: ...
    @overload
    def map(
        self: Calling[..., T],
        inputs: Iterable[object],
        /,
        *more: Iterable[object],
        **options: Unpack[MapOptions],
    ) -> Mapped[T]: ...
    def map(
        self, inputs: Iterable[Any], /, *more: Iterable[Any], **options: Unpack[MapOptions]
    ) -> Mapped[Any]:
        """Call it for each input, some at once; several iterables give an argument each, as in ``map()``.

        Args:
            inputs: what to call it with. Read as calls become free, in whichever thread.
            more: further arguments of the calls; the shortest iterable ends them all.
            options: ``concurrency``, how many calls at once (twice the processors, 4 to 32);
                ``ordered=False`` gives results as they come; ``return_exceptions=True`` gives what a call
                raised as its result; ``progress`` is called with the number of calls that are over and the
                number of all (None while unknown), after each, in whichever thread; without it a notebook
                shows a bar of those numbers after half a second (``False``: it does not).
        """
        __tracebackhide__ = True
        sizes = [len(each) if isinstance(each, Sized) else None for each in (inputs, *more)]
        total = None if None in sizes else min(size for size in sizes if size is not None)
        return self._map(zip(inputs, *more, strict=False), total, **options)

    @overload
    def starmap(
        self: Calling[..., Coroutine[Any, Any, T]],
        inputs: Iterable[Sequence[object]],
        /,
        **options: Unpack[MapOptions],
    ) -> Mapped[T]: ...
    @overload
    def starmap(
        self: Calling[..., T], inputs: Iterable[Sequence[object]], /, **options: Unpack[MapOptions]
    ) -> Mapped[T]: ...
    def starmap(self, inputs: Iterable[Sequence[object]], /, **options: Unpack[MapOptions]) -> Mapped[Any]:
        """As :meth:`map`, for inputs that are the arguments already: ``f(*input)``."""
        __tracebackhide__ = True
        return self._map(inputs, len(inputs) if isinstance(inputs, Sized) else None, **options)

    @overload
    def stream(self: Calling[P, Iterator[T]], *args: P.args, **kwargs: P.kwargs) -> Stream[T]: ...
    @overload
    def stream(self: Calling[P, AsyncIterator[T]], *args: P.args, **kwargs: P.kwargs) -> Stream[T]: ...
    def stream(self, *args: Any, **kwargs: Any) -> Stream[Any]:
        """What a function that yields gives, while it runs, for ``for`` and ``async for``."""
        __tracebackhide__ = True
        return self._stream(args, kwargs)

    def _check(self, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        if self.__signature__ is not None:
            check_arguments(self.__name__, self.__signature__, args, kwargs)

    def _check_returns(self, how: str) -> None:
        if self._yields:
            raise BadInput(
                f"{self.__name__}() yields, so {how} has no one result of it",
                hint=f"iterate over {self.__name__}.stream(…)",
            )

    def _call(
        self, args: Sequence[object], kwargs: Mapping[str, object], terms: Terms = _PLAIN
    ) -> CallResult:
        """One call, made again as often as it may be."""
        __tracebackhide__ = True
        deployment, context = self._deployed()
        made = 0
        while True:
            made += 1
            try:
                result = self.session.call(deployment, args, kwargs, context, terms)
            except NbfnError as error:
                self._about(error, deployment)
                pause_s = self.retries.pause_s(error, made, random.random())  # noqa: S311 - spreads callers
                if pause_s is None:
                    raise
            else:
                self.last = result
                self._about(result.error, deployment)
                return result
            time.sleep(pause_s)
            terms = replace(terms, call_id="")  # the id belongs to the attempt that failed

    def _about(self, error: BaseException | None, deployment: Deployment) -> None:
        """Have an error of nbfn's say which function it is of: others may be asked about later."""
        if isinstance(error, NbfnError):
            error.about = self.session.context.name, deployment.spec.app, deployment.spec.name

    def _value(self, args: Sequence[object], kwargs: Mapping[str, object], terms: Terms = _PLAIN) -> object:
        __tracebackhide__ = True
        result = self._call(args, kwargs, terms)
        show_output(result)
        if result.error is not None:
            raise result.error
        return result.value

    async def _in_background(self, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        __tracebackhide__ = True
        cancel = Cancel()
        future = crew().start(lambda: self._call(args, kwargs, Terms(cancel=cancel)))
        try:
            result = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            cancel.ask()
            raise
        show_output(result)
        if result.error is not None:
            raise result.error
        return result.value

    def _stream(self, args: Sequence[object], kwargs: Mapping[str, object]) -> Stream[Any]:
        __tracebackhide__ = True
        self._check(args, kwargs)
        cancel = Cancel()

        def ended(result: CallResult) -> None:
            self.last = result
            show_output(result)

        def begin() -> Any:
            deployment, context = self._deployed()
            return self.session.stream(deployment, args, kwargs, context, Terms(cancel=cancel))

        return Stream(begin, cancel, ended)

    def _map(
        self,
        inputs: Iterable[Sequence[object]],
        total: int | None,
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
        progress: Callable[[int, int | None], object] | Literal[False] | None = None,
    ) -> Mapped[Any]:
        self._check_returns("map")
        self._deployed()

        def call(args: Sequence[object], cancel: Cancel) -> object:
            self._check(args, {})
            return self._value(args, {}, Terms(cancel=cancel))

        mapped: Mapped[Any] = Mapped(
            call,
            inputs,
            total=total,
            concurrency=concurrency,
            ordered=ordered,
            return_exceptions=return_exceptions,
            progress=progress or None,
        )
        if progress is None and self.session.watcher is not None:
            self.session.watcher.mapping(self.__name__, mapped)
        return mapped


def show_output(result: CallResult) -> None:
    """Print what a call printed, in the main thread alone."""
    # From another thread it would end up under whichever cell happens to run.
    if not result.output or threading.current_thread() is not threading.main_thread():
        return
    if result.output_cut:
        sys.stdout.write(f"[{result.output_cut} bytes before this are in the logs]\n")
    sys.stdout.write(result.output)
