"""``nbfn version``: of this tool and of the context's server."""

from __future__ import annotations

import click

from nbfn import __version__
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP, output_option


@click.command(context_settings=HELP)
@output_option
@edge
def version(edge: Edge, output: str | None) -> None:
    """Show the versions of nbfn and of the server."""
    if output:
        edge.show.document({"client": __version__, "server": edge.session.server.version})
        return
    edge.show.say(f"Client version: {__version__}")
    edge.show.say(f"Server version: {edge.session.server.version}")
