"""``nbfn start``: the executor, in the background, if it is not running yet."""

from __future__ import annotations

from dataclasses import replace

import click

from nbfn import config
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP

# One that a person starts stays until it is stopped.
_FOREVER_S = 10 * 365 * 86400.0


@click.command(context_settings=HELP)
@click.option("-d", "--detach", is_flag=True, help="Taken for the Fn CLI's sake: it always is.")
@edge
def start(edge: Edge, detach: bool) -> None:
    """Start the executor in the background, unless it is running. `nbfn serve` runs one in the foreground."""
    from nbfn import local

    settings = config.load()
    running = local.find(settings)
    endpoint = running or local.ensure(replace(settings, linger_s=_FOREVER_S))
    how = "is running already" if running else "was started, and stays until `nbfn stop`"
    edge.show.say(f"the executor of {settings.state} {how}: {endpoint.url}")
