"""``nbfn stop``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nbfn import config
from nbfn.commands.options import state_option
from nbfn.running import running, stop_running

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@state_option
@click.option(
    "--grace",
    type=click.FloatRange(0, 3600),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How long running calls may take to finish.",
)
@click.option("--kill", is_flag=True, help="End it at once, whatever it is doing. Functions are kept.")
def stop(state: Path | None, grace: float, kill: bool) -> None:
    """Stop the executor; returns when it is gone. Running calls are finished first, functions are kept."""
    settings = config.load(state=state)
    found = running(settings)
    if found is None:
        click.echo(f"no executor is running for {settings.state}")
        return
    stop_running(settings, found, grace_s=grace, kill=kill, note=lambda text: click.echo(text, err=True))
    click.echo(f"stopped the executor (pid {found.pid})")
