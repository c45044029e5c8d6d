"""``doctor``: what is wrong, here, at the context's server or with a function, and what to do about it."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from nbfn.commands import complete
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP, output_option


@click.command(context_settings=HELP)
@click.argument("app", metavar="[APP]", required=False, shell_complete=complete.apps)
@click.argument("function", metavar="[FUNCTION]", required=False, shell_complete=complete.functions)
@click.option(
    "--code", default="", metavar="CODE", help="Explain an error code of OCI's, and look at nothing."
)
@output_option
@edge
def doctor(edge: Edge, app: str | None, function: str | None, code: str, output: str | None) -> None:
    """Look for what is wrong on this machine, at the context's server, and with a function.

    One name alone is a function of the usual application (NBFN_APP), or of the only one that has it. Exit
    code 1 if there is a problem.
    """
    from nbfn import verbs
    from nbfn.verbs.diagnosis import Diagnosis

    if code:
        text = verbs.explain(code)
        if output:
            edge.show.document({"code": code, "advice": text})
        else:
            edge.show.say(text)
        return
    if app and not function:
        app, function = "", app
    told = verbs.doctor(function or "", app=app or "", session=edge.session)
    found = Diagnosis(replace(each, advice=edge.of_context(each.advice)) for each in told)
    if output:
        edge.show.document(found.document)
    else:
        edge.show.diagnosis(found)
    if not found.ok:
        sys.exit(1)
