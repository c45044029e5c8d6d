"""``invoke``: call a function with what is piped in, print what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nbfn.commands import complete
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP, output_option
from nbfn.errors import CallError, NbfnError

if TYPE_CHECKING:
    from nbfn.verbs import Answer


_DETACHED = "detached"
# Other statuses are of calls that no instance was given.
_RAN = (502, 504)


class CallFailed(CallError):
    """The function's answer is a failure, or there is none."""


class Invoke(click.Command):
    """``invoke detached APP FUNCTION`` is ``invoke --fn-invoke-type detached APP FUNCTION``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args[:1] == [_DETACHED]:
            ctx.meta[_DETACHED] = True
            args = args[1:]
        return super().parse_args(ctx, args)


@click.command(cls=Invoke, context_settings=HELP)
@click.argument("app", metavar="[APP]", required=False, shell_complete=complete.apps)
@click.argument("function", metavar="[FUNCTION]", required=False, shell_complete=complete.functions)
@click.option("--content-type", default="", help="Of the body. [func.yaml's content_type, text/plain]")
@click.option("--data", "-d", default=None, help="The body, instead of what is piped in.")
@click.option("--display-call-id", is_flag=True, help="Print the call's id first.")
@click.option("--endpoint", default="", metavar="URL", help="Where to post to; the names are not needed.")
@click.option("--fn-intent", default="", help="The Fn-Intent header.")
@click.option(
    "--fn-invoke-type",
    default="sync",
    type=click.Choice(["sync", _DETACHED]),
    help="sync waits for the answer; detached prints the call's id at once.",
)
@click.option("--no-endpoint-cache", is_flag=True, hidden=True, help="Nothing is ever cached.")
@click.option("--endpoint-cache-ttl", hidden=True, help="Nothing is ever cached.")
@click.option("--is-dry-run", is_flag=True, help="Only ask whether it may be called (OCI).")
@output_option
@edge
def invoke(
    edge: Edge,
    /,
    app: str | None,
    function: str | None,
    content_type: str,
    data: str | None,
    display_call_id: bool,
    endpoint: str,
    fn_intent: str,
    fn_invoke_type: str,
    is_dry_run: bool,
    output: str | None,
    **_: object,
) -> None:
    """Call a function with what is piped in (in a notebook: the cell's body). Exit code 1 if it fails.

    `invoke detached APP FUNCTION` is the same as --fn-invoke-type detached. A detached call goes on by
    itself: `nbfn.call(ID)` in Python, or GET /nbfn/v1/calls/ID, tells what became of it.
    """
    from nbfn.verbs import invoke_function

    word = bool(click.get_current_context().meta.get(_DETACHED))
    if word and app and not function and not endpoint:  # an application of that name
        app, function, word = _DETACHED, app, False
    detached = word or fn_invoke_type == _DETACHED
    if not endpoint and not (app and function):
        raise click.UsageError("name an application and a function")
    body = edge.read_input() if data is None else data.encode()
    answer = invoke_function(
        app or "",
        function or "",
        body,
        content_type=content_type or _content_type() or "text/plain",
        headers={
            **({"Fn-Intent": fn_intent} if fn_intent else {}),
            **({"Is-Dry-Run": "true"} if is_dry_run else {}),
        },
        endpoint=endpoint,
        detached=detached,
        session=edge.session,
    )
    if display_call_id and answer.call_id and not detached:
        edge.show.say(f"Call ID: {answer.call_id}")
    if output:
        headers = {name.title(): [value] for name, value in answer.headers.items()}
        edge.show.document({"body": answer.text, "headers": headers, "status_code": answer.status})
    if not answer.ok:
        error = answer.error or _failure(answer, "" if endpoint else _logs(edge, answer, app, function))
        error.about = ("" if endpoint else edge.session.context.name, app or "", function or "")
        raise error
    if output:
        return
    if detached:
        edge.show.say(f"Call ID: {answer.call_id}")
    else:
        edge.show.body(answer.body, answer.headers.get("content-type", ""))


def _logs(edge: Edge, answer: Answer, app: str | None, function: str | None) -> str:
    """How to see what it wrote, if it ran and this machine's executor has that."""
    if answer.status not in _RAN or not edge.session.server.own:
        return ""
    return f"`nbfn logs {app} {function}` shows what it wrote"


def _failure(answer: Answer, logs: str) -> CallFailed:
    return CallFailed(
        f"Error invoking function. status: {answer.status} message: {answer.message}",
        hint="; ".join(filter(None, (answer.hint, logs))),
        call_id=answer.call_id,
        status=answer.status,
    )


def _content_type() -> str:
    """What the func.yaml here says, if there is one that can be read."""
    from nbfn.projects import find_func_file

    try:
        return find_func_file(Path()).content_type
    except NbfnError:
        return ""
