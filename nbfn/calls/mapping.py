"""Many calls of one function, some of them at once."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from nbfn.calls.crew import crew
from nbfn.errors import BadInput, CallCancelled
from nbfn.invoke import Cancel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

R_co = TypeVar("R_co", covariant=True)

_log = logging.getLogger(__name__)


def usual_concurrency() -> int:
    """Calls at once unless told otherwise: twice the processors, 4 to 32."""
    return max(4, min(32, 2 * (os.cpu_count() or 1)))


class Mapped(Generic[R_co]):
    """The results of a map. The calls run from the start on, whether or not anyone asks for results.

    Iterating waits for results and gives them, in the order of the inputs or as they come; it may be done
    more than once. A call that fails raises there and stops the others, unless exceptions are asked for as
    results. An interrupt while waiting stops the calls too, and :attr:`results` keeps what was done.
    """

    def __init__(
        self,
        call: Callable[[Sequence[object], Cancel], object],
        inputs: Iterable[Sequence[object]],
        *,
        total: int | None,
        concurrency: int | None,
        ordered: bool,
        return_exceptions: bool,
        progress: Callable[[int, int | None], object] | None,
    ) -> None:
        """``call`` makes one call of given arguments; ``total`` is the number of inputs, if known."""
        most = usual_concurrency() if concurrency is None else concurrency
        if most < 1:
            raise BadInput(f"concurrency is {concurrency!r}", hint="use a whole number from 1 on")
        self.total = total
        """How many calls there are; None until the inputs have been read to their end."""
        self._call = call
        self._inputs = enumerate(inputs)
        self._reading = threading.Lock()
        self._ordered = ordered
        self._return_exceptions = return_exceptions
        self._progress = progress
        self._changed = threading.Condition()
        self._outcomes: dict[int, tuple[object, BaseException | None]] = {}
        self._finished: list[int] = []  # in the order in which they ended
        self._broken: BaseException | None = None  # what reading the inputs raised
        self._cancels: set[Cancel] = set()
        self._begun = 0
        self._stopped = False
        self._when_over: list[Callable[[], object]] = []
        workers = most if total is None else min(most, total)
        self._workers = workers
        for _ in range(workers):
            crew().start(self._work)

    @property
    def done(self) -> int:
        """Calls that are over."""
        return len(self._finished)

    @property
    def results(self) -> Mapping[int, R_co]:
        """What has been returned so far, by the number of the input."""
        with self._changed:
            return {
                at: cast("R_co", value)
                for at, (value, error) in sorted(self._outcomes.items())
                if error is None
            }

    @property
    def errors(self) -> Mapping[int, BaseException]:
        """What has been raised so far, by the number of the input."""
        with self._changed:
            return {at: error for at, (_, error) in sorted(self._outcomes.items()) if error is not None}

    def cancel(self) -> None:
        """Begin no more calls, and stop those that run."""
        with self._changed:
            self._stopped = True
            cancels = list(self._cancels)
            self._changed.notify_all()
        for cancel in cancels:
            cancel.ask()

    def when_over(self, do: Callable[[], object]) -> None:
        """Call ``do`` when no call runs or will run any more; at once if so. It must not raise."""
        with self._changed:
            over = self._workers == 0
            if not over:
                self._when_over.append(do)
        if over:
            do()

    def __iter__(self) -> Iterator[R_co]:
        __tracebackhide__ = True
        at = 0
        try:
            while (outcome := self._wait(at)) is not None:
                value, error = outcome
                if error is not None and not self._return_exceptions:
                    self.cancel()
                    raise error
                yield cast("R_co", value if error is None else error)
                at += 1
        except KeyboardInterrupt as interrupt:
            self.cancel()
            of = f" of {self.total}" if self.total is not None else ""
            interrupt.add_note(f"{len(self.results)}{of} calls were done: they are in .results of the map")
            raise
        if self._broken is not None:
            raise self._broken

    def __repr__(self) -> str:
        failed = len(self.errors)
        of = f" of {self.total}" if self.total is not None else ""
        return f"<nbfn map: {self.done}{of} done" + (f", {failed} failed>" if failed else ">")

    def _wait(self, at: int) -> tuple[object, BaseException | None] | None:
        """The outcome that is the next one to give; None when there is none to come."""
        with self._changed:
            while True:
                if self._ordered and at in self._outcomes:
                    return self._outcomes[at]
                if not self._ordered and at < len(self._finished):
                    return self._outcomes[self._finished[at]]
                if self.done == self.total or (self._workers == 0 and not self._stopped):
                    return None
                if self._stopped:
                    raise CallCancelled("the map was cancelled", hint="what was done is in its .results")
                self._changed.wait()

    def _work(self) -> None:
        try:
            while (item := self._next()) is not None:
                self._make(*item)
        finally:
            with self._changed:
                self._workers -= 1
                ended = self._when_over if self._workers == 0 else []
                self._changed.notify_all()
            for each in ended:
                each()

    def _next(self) -> tuple[int, Sequence[object]] | None:
        with self._reading:  # a generator of inputs may only be in one thread at a time
            if self._stopped or self._broken is not None:
                return None
            try:
                item = next(self._inputs, None)
            except BaseException as error:
                self._broken = error
                return None
            if item is None:
                self.total = self._begun
            else:
                self._begun += 1
            return item

    def _make(self, at: int, args: Sequence[object]) -> None:
        cancel = Cancel()
        with self._changed:
            self._cancels.add(cancel)
            if self._stopped:
                cancel.ask()
        value, failed = None, None
        try:
            value = self._call(args, cancel)
        except BaseException as error:
            failed = error
        with self._changed:
            self._cancels.discard(cancel)
            if self._stopped and failed is not None:
                return  # it did not end by itself
            self._outcomes[at] = value, failed
            self._finished.append(at)
            done = len(self._finished)
            self._changed.notify_all()
        if self._progress is not None:
            try:
                self._progress(done, self.total)
            except Exception:
                _log.exception("showing the progress of a map failed")
                self._progress = None
