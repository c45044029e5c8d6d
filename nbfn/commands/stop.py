"""``nbfn stop``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nbfn import config
from nbfn.commands.options import Number, state_option
from nbfn.running import calls_in_words, running, stop_running

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@state_option
@click.option(
    "--grace",
    type=Number(0, 3600),
    metavar="SECONDS",
    help="Cut off calls that still run then; 0: at once. Without it they have their functions' timeouts.",
)
@click.option("--kill", is_flag=True, help="End it at once, whatever it is doing. Functions are kept.")
def stop(state: Path | None, grace: float | None, kill: bool) -> None:
    """Stop the executor; returns when it is gone. Running calls are finished first, functions are kept.

    Calls that wait for an instance are refused. A second `nbfn stop` meanwhile cuts off what still runs.
    """
    settings = config.load(state=state)
    found = running(settings)
    if found is None:
        click.echo(f"no executor is running for {settings.state}")
        return
    cut = stop_running(
        settings, found, grace_s=grace, kill=kill, note=lambda text: click.echo(text, err=True)
    )
    click.echo(f"stopped the executor (pid {found.pid}){f'; {calls_in_words(cut)} cut off' if cut else ''}")
