"""``nbfn version``: of this tool and of the context's server."""

from __future__ import annotations

import click

from nbfn import __version__
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP


@click.command(context_settings=HELP)
@edge
def version(edge: Edge) -> None:
    """Show the versions of nbfn and of the server."""
    edge.show.say(f"Client version: {__version__}")
    edge.show.say(f"Server version: {edge.session.server.version}")
