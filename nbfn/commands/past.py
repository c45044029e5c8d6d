"""``list calls``, ``logs`` and ``stats`` of a function."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from nbfn.commands import complete
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP, output_option, page_options
from nbfn.commands.options import Integer

if TYPE_CHECKING:
    from nbfn.commands.grammar import Nouns
    from nbfn.spec import CallRecord

app_argument = click.argument("app", metavar="APP", shell_complete=complete.apps)
function_argument = click.argument("function", metavar="FUNCTION", shell_complete=complete.functions)


@click.command("call", context_settings=HELP)
@app_argument
@function_argument
@page_options
@edge
def list_calls(edge: Edge, app: str, function: str, limit: int, output: str | None) -> None:
    """List the calls of a function: those that wait or run, then those that are over, newest first."""
    from nbfn import verbs
    from nbfn.observe.calls import HEADS

    found = verbs.function_calls(app, function, limit=limit, session=edge.session)
    if output:
        edge.show.document([_document(each) for each in found])
    elif found:
        edge.show.table([head.upper() for head in HEADS], found.rows())
    else:
        edge.show.note(f"No calls found for {app} {function}")


def _document(call: CallRecord) -> dict[str, object]:
    told = asdict(call)
    cost = told.pop("result")
    return told | {name: cost[name] for name in ("start", "reason", "instance_id", "timings_ms")}


@click.command(context_settings=HELP)
@app_argument
@function_argument
@click.option("--call", "call_id", default="", metavar="ID", help="Only of this call (`list calls`).")
@click.option("-n", "limit", type=Integer(1, 1000), default=100, show_default=True, help="At most.")
@output_option
@edge
def logs(edge: Edge, app: str, function: str, call_id: str, limit: int, output: str | None) -> None:
    """Show what a function wrote, oldest first."""
    from nbfn import verbs

    found = verbs.logs(app, function, call_id=call_id, limit=limit, session=edge.session)
    if output:
        edge.show.document([asdict(line) for line in found])
    elif found:
        edge.show.say(str(found))
    else:
        why = ": OCI has some once the application's log is enabled (console: its Monitoring > Logs)"
        edge.show.note(f"No output of {app} {function}{why if edge.session.context.is_oracle else ''}")


@click.command(context_settings=HELP)
@app_argument
@function_argument
@click.option("--minutes", type=int, default=60, show_default=True, help="How far to look back (OCI).")
@output_option
@edge
def stats(edge: Edge, app: str, function: str, minutes: int, output: str | None) -> None:
    """Show how often a function was called, how it ended and how long it took.

    From this machine's executor it is all that it remembers; OCI's Monitoring is asked for the last minutes.
    """
    from nbfn import verbs

    if edge.session.server.own:
        known = verbs.stats(function, app=app, session=edge.session)
        if output:
            edge.show.document([asdict(each) for each in known])
        else:
            edge.show.say(str(known))
        return
    found = verbs.counts(app, function, minutes=minutes, session=edge.session)
    if output:
        edge.show.document(asdict(found))
        return
    mean = "" if found.mean_ms is None else f"{found.mean_ms:.1f}"
    row = (str(found.minutes), str(found.calls), str(found.errors), str(found.throttled), mean)
    edge.show.table(("MINUTES", "CALLS", "ERRORS", "THROTTLED", "MEAN MS"), [row])


def register(verbs: dict[str, Nouns]) -> None:
    """Say ``list`` of calls, too."""
    verbs["list"].add_command(list_calls)
