"""``list revisions`` and ``rollback``: what a function ran before, and going back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from nbfn.commands import complete
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP, page_options
from nbfn.commands.objects import app_argument, function_argument
from nbfn.commands.options import Integer

if TYPE_CHECKING:
    from nbfn.commands.grammar import Nouns


@click.command("revision", context_settings=HELP)
@app_argument
@function_argument
@page_options
@edge
def list_revisions(edge: Edge, app: str, function: str, limit: int, output: str | None) -> None:
    """List what a function runs (*) and ran before, newest first."""
    from nbfn import verbs
    from nbfn.deploy.history import HEADS

    kept = verbs.function_revisions(app, function, session=edge.session)[:limit]
    if output:
        edge.show.document([asdict(each) for each in kept])
    else:
        edge.show.table([head.upper() for head in HEADS], [each.cells() for each in kept])


@click.command(context_settings=HELP)
@app_argument
@function_argument
@click.argument(
    "revision",
    metavar="[REVISION]",
    type=Integer(1),
    required=False,
    shell_complete=complete.revisions,
)
@edge
def rollback(edge: Edge, app: str, function: str, revision: int | None) -> None:
    """Let a function run an earlier revision again, by default the one before.

    That makes a new revision, so it can be gone back from. `list revisions` shows which there are; the last
    20 are kept, with their images.
    """
    from nbfn import verbs

    now = verbs.rollback_function(app, function, revision, session=edge.session)
    edge.show.say(f"{app} {function} is at revision {now.number}, as in {now.restores or now.number}")


def register(verbs: dict[str, Nouns]) -> None:
    """Say ``list`` of revisions, too."""
    verbs["list"].add_command(list_revisions)
