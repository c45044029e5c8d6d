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
    from nbfn.deploy.rest import Rest

    edge.show.say(f"Client version: {__version__}")
    server = Rest(edge.session.server.client).get("/version").get("version", "?")
    edge.show.say(f"Server version: {server}")
