"""``--if-match`` and ``--wait-for-state``: on what terms OCI makes, changes or removes something."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from nbfn.commands.options import Number
from nbfn.commands.oracle import left_out
from nbfn.deploy.terms import STATES, USUAL, Terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.commands.edge import Edge

    Command = Callable[..., Any]

_WAITING = (
    click.option(
        "--wait-for-state",
        type=click.Choice(STATES, case_sensitive=False),
        metavar="STATE",
        help=f"Wait until it is {', '.join(STATES[:-1])} or {STATES[-1]} (OCI).",
    ),
    click.option(
        "--max-wait-seconds",
        type=Number(min=0),
        metavar="S",
        help=f"How long that may take. [{USUAL.limit_s:g}]",
    ),
    click.option(
        "--wait-interval-seconds",
        type=Number(min=0),
        metavar="S",
        help=f"How often it is looked at. [{USUAL.every_s:g}]",
    ),
)
_MATCHING = click.option(
    "--if-match", default="", metavar="ETAG", help="Only if `nbfn inspect` shows this etag of it still (OCI)."
)


def on_terms(*, matching: bool = True) -> Callable[[Command], Command]:
    """Give a command these options, and ``terms`` for what they say; without ``matching`` it makes something
    that has no etag yet."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_terms(edge: Edge, /, *args: Any, **told: Any) -> Any:
            names = ("if_match", "wait_for_state", "max_wait_seconds", "wait_interval_seconds")
            terms = _terms(edge, **{name: told.pop(name, None) for name in names})
            return command(edge, *args, terms=terms, **told)

        made: Command = with_terms
        for option in (*reversed(_WAITING), *((_MATCHING,) if matching else ())):
            made = option(made)
        return made

    return decorate


def _terms(
    edge: Edge,
    *,
    if_match: str | None,
    wait_for_state: str | None,
    max_wait_seconds: float | None,
    wait_interval_seconds: float | None,
) -> Terms:
    given = {"if_match": if_match, "wait_for_state": wait_for_state}
    asked = [name for name, value in given.items() if value]
    if asked and not edge.session.context.is_oracle:
        left_out(edge, asked)
        return USUAL
    # As in the Fn CLI, a time of 0 is the usual one.
    return Terms(
        if_match=(if_match or "").strip(),
        state=wait_for_state or "",
        limit_s=max_wait_seconds or USUAL.limit_s,
        every_s=wait_interval_seconds or USUAL.every_s,
    )
