"""How functions did: counts and durations of the calls that the executor remembers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, overload

from nbfn import session as sessions
from nbfn.deploy.rest import Rest
from nbfn.errors import TargetError
from nbfn.observe.histogram import Histogram, roughly
from nbfn.remote import Remote

if TYPE_CHECKING:
    from nbfn.deploy.base import DeployedFunction
    from nbfn.session import Session

CALLS = 10_000
_HEADS = (
    "app",
    "name",
    "instances",
    "memory",
    "calls",
    "failed",
    "cold",
    "half in",
    "warm",
    "half in",
    "95 % in",
)


@dataclass(frozen=True, slots=True)
class FunctionStats:
    """One function: of its last calls (10,000 at most), and of its instances now."""

    app: str
    name: str
    calls: int
    cold: int
    warm: int
    failed: int
    cold_ms: float | None
    """What half of the cold calls that went well took at most, within a sixteenth; None if there are none."""
    warm_ms: float | None
    """The same of the warm ones."""
    slow_ms: float | None
    """What 95 of 100 warm calls took at most."""
    instances: int
    memory_bytes: int
    """Of all instances together."""


class Stats(Sequence[FunctionStats]):
    """Functions by application and name. ``str`` of it, and a notebook's display, is a table."""

    def __init__(self, functions: Sequence[FunctionStats]) -> None:
        self._functions = tuple(functions)

    @overload
    def __getitem__(self, index: int) -> FunctionStats: ...
    @overload
    def __getitem__(self, index: slice) -> Stats: ...
    def __getitem__(self, index: int | slice) -> FunctionStats | Stats:
        return Stats(self._functions[index]) if isinstance(index, slice) else self._functions[index]

    def __len__(self) -> int:
        return len(self._functions)

    def __str__(self) -> str:
        if not self._functions:
            return "no functions are deployed"
        table = [_HEADS, *map(_cells, self._functions)]
        widths = [max(len(row[column]) for row in table) for column in range(len(_HEADS))]
        return "\n".join("  ".join(_aligned(row, widths)).rstrip() for row in table)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def row(tag: str, cells: Sequence[str]) -> str:
            scope = ' scope="col"' if tag == "th" else ""
            return "".join(
                f'<{tag}{scope} style="text-align:{"left" if at < 2 else "right"}">{escape(cell)}</{tag}>'
                for at, cell in enumerate(cells)
            )

        body = "".join(f"<tr>{row('td', _cells(each))}</tr>" for each in self._functions)
        head = f"<thead><tr>{row('th', _HEADS)}</tr></thead>"
        return f'<table class="nbfn-list" aria-label="Calls of functions">{head}<tbody>{body}</tbody></table>'


def stats(
    of: Remote[..., Any] | str | None = None,
    /,
    *,
    app: str | None = None,
    session: Session | None = None,
) -> Stats:
    """How a function did, or all of an application, or (without either) all there are.

    Raises:
        NotFound: there is no such function.
        TargetError: a server that does not remember calls: any that is not nbfn's own executor.
        ExecutorError: there is none to be had.
    """
    ours = session or (of.session if isinstance(of, Remote) else sessions.current())
    if of is None:
        found = ours.ask(lambda target: target.list(app))
    else:
        name = of.spec.name if isinstance(of, Remote) else of
        place = app or (of.spec.app if isinstance(of, Remote) else ours.settings.app)
        found = [ours.ask(lambda target: target.inspect(place, name))]
    if not ours.server.own:
        raise TargetError(
            f"the server of context {ours.context.name!r} does not show its calls",
            hint="`nbfn.counts(app, name)` has OCI's own numbers; `nbfn use context default` goes back to "
            "this machine's executor",
        )
    return Stats([_of(each, ours) for each in sorted(found, key=lambda each: (each.app, each.name))])


def _of(function: DeployedFunction, session: Session) -> FunctionStats:
    told = Rest(session.server.client).calls(function.id, CALLS)
    calls = [call for call in told if call.get("status")]
    went_well = [call for call in calls if _ok(call)]
    cold, warm = (
        Histogram().plus(
            call["timings_ms"]["total"]
            for call in went_well
            if call.get("start") == start and "total" in (call.get("timings_ms") or {})
        )
        for start in ("cold", "warm")
    )
    running = session.ask(lambda target: target.instances(function.id))
    return FunctionStats(
        app=function.app,
        name=function.name,
        calls=len(calls),
        cold=sum(call.get("start") == "cold" for call in calls),
        warm=sum(call.get("start") == "warm" for call in calls),
        failed=len(calls) - len(went_well),
        cold_ms=cold.quantile_ms(0.5),
        warm_ms=warm.quantile_ms(0.5),
        slow_ms=warm.quantile_ms(0.95),
        instances=len(running),
        memory_bytes=sum(each.memory_bytes for each in running),
    )


def _ok(call: dict[str, Any]) -> bool:
    return 200 <= call["status"] < 400 and not call.get("message")


def _cells(each: FunctionStats) -> tuple[str, ...]:
    memory = f"{each.memory_bytes / (1 << 20):.1f} MB" if each.memory_bytes else ""
    return (
        each.app, each.name, str(each.instances), memory, str(each.calls), str(each.failed),
        str(each.cold), _ms(each.cold_ms), str(each.warm), _ms(each.warm_ms), _ms(each.slow_ms),
    )  # fmt: skip


def _ms(ms: float | None) -> str:
    return "" if ms is None else roughly(ms)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for at, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.ljust(width) if at < 2 else cell.rjust(width)
