"""``nbfn start``: the executor, in the background, if it is not running yet."""

from __future__ import annotations

from dataclasses import replace

import click

from nbfn import config
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP
from nbfn.commands.options import Port
from nbfn.commands.refused import OF_START, refused
from nbfn.errors import ExecutorError

# One that a person starts stays until it is stopped.
_FOREVER_S = 10 * 365 * 86400.0


@click.command(context_settings=HELP)
@click.option("-d", "--detach", is_flag=True, help="Taken for the Fn CLI's sake: it always is.")
@click.option("--port", "-p", type=Port(), default=None, help="TCP port; 0 takes a free one. [NBFN_PORT, 0]")
@refused(OF_START)
@edge
def start(edge: Edge, detach: bool, port: int | None) -> None:
    """Start the executor in the background, unless it is running. `nbfn serve` runs one in the foreground."""
    from nbfn import local

    settings = config.load()
    if port is not None:
        settings = replace(settings, port=None if port == -1 else port)
    running = local.find(settings)
    endpoint = running or local.ensure(replace(settings, linger_s=_FOREVER_S))
    if running and port is not None and port > 0 and not running.url.endswith(f":{port}"):
        raise ExecutorError(
            f"the executor of {settings.state} is running already, at {running.url}",
            hint=f"`nbfn stop` ends it; then `nbfn start --port {port}`",
        )
    how = "is running already" if running else "was started, and stays until `nbfn stop`"
    edge.show.say(f"the executor of {settings.state} {how}: {endpoint.url}")
