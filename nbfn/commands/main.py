"""``nbfn``: the group, and the one place where errors become a message and an exit code."""

from __future__ import annotations

import sys

import click

from nbfn import __version__
from nbfn.commands.serve import serve
from nbfn.commands.status import status
from nbfn.commands.stop import stop
from nbfn.errors import NbfnError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nbfn")
def cli() -> None:
    """Functions from notebook cells: the local executor that runs them."""


for command in (serve, status, stop):
    cli.add_command(command)


def main() -> None:
    """Run the command line; exit with its code."""
    try:
        cli()
    except NbfnError as error:
        click.echo(f"nbfn: {error}", err=True)
        sys.exit(1)
