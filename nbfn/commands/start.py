"""``nbfn start``: the executor, in the background, if it is not running yet."""

from __future__ import annotations

import click

from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP
from nbfn.commands.options import Port
from nbfn.commands.refused import OF_START, refused
from nbfn.running import running


@click.command(context_settings=HELP)
@click.option("-d", "--detach", is_flag=True, help="Taken for the Fn CLI's sake: it always is.")
@click.option("--port", "-p", type=Port(), default=None, help="TCP port; 0 takes a free one. [NBFN_PORT, 0]")
@refused(OF_START)
@edge
def start(edge: Edge, detach: bool, port: int | None) -> None:
    """Start the executor in the background, unless it is running. `nbfn serve` runs one in the foreground."""
    from nbfn import config, verbs

    settings = config.load()
    was_running = running(settings) is not None
    url = verbs.start_executor(port=port)
    how = "is running already" if was_running else "was started, and stays until `nbfn stop`"
    edge.show.say(f"the executor of {settings.state} {how}: {url}")
