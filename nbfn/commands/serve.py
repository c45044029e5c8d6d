"""``nbfn serve``."""

from __future__ import annotations

import logging
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nbfn import config
from nbfn.commands.options import Number, Port, log_level_option, state_option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbfn.config import Settings

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "panic": logging.CRITICAL,
}


@click.command()
@click.option("--host", help="Address of the TCP listener. [NBFN_HOST, 127.0.0.1]")
@click.option("--port", type=Port(), help="Its port; 0 takes a free one, 'off' means none. [NBFN_PORT, 0]")
@click.option("--socket", type=click.Path(path_type=Path), help="The unix socket. [NBFN_SOCKET]")
@state_option
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of the bearer token, made when missing. [NBFN_TOKEN_FILE]",
)
@click.option(
    "--driver",
    type=click.Choice(config.DRIVERS[:-1]),
    help="How instances run. [NBFN_DRIVER, auto]",
)
@click.option(
    "--linger",
    type=Number(min=0),
    metavar="SECONDS",
    help="Stop after so long without a user. Without this it stays.",
)
@log_level_option
@click.option("--detach", is_flag=True, help="Go to the background once it listens; print where, as JSON.")
def serve(
    host: str | None,
    port: int | None,
    socket: Path | None,
    state: Path | None,
    token_file: Path | None,
    driver: str | None,
    linger: float | None,
    log_level: str | None,
    detach: bool,
) -> None:
    """Run the executor: it holds functions and runs their calls.

    Stop it with Ctrl+C or `nbfn stop`; running calls are finished first, a second Ctrl+C cuts them off.
    Functions are kept.
    """
    settings = config.load(
        state=state,
        host=host,
        driver=driver,
        log_level=log_level,
        socket=socket and socket.expanduser().absolute(),
        token_file=token_file and token_file.expanduser().absolute(),
    )
    if port is not None:
        settings = replace(settings, port=None if port == -1 else port)
    if detach:
        from nbfn.commands.detach import detached

        with detached(settings.state) as on_listening:
            _serve(settings, linger, on_listening)
    else:
        _serve(settings, linger, lambda note: _say_where(settings, note))


def _serve(
    settings: Settings, linger: float | None, on_listening: Callable[[Mapping[str, object]], None]
) -> None:
    from nbfn.executor import serve as run

    level = _LEVELS[settings.log_level]
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=level)
    run(settings, linger=linger, on_listening=on_listening)


def _say_where(settings: Settings, note: Mapping[str, object]) -> None:
    token = f'"Authorization: Bearer $(cat {shlex.quote(str(settings.token_file))})"'
    click.echo(f"nbfn {note['version']} serves {settings.state}, pid {note['pid']}")
    click.echo(f"  socket  {note['socket']}")
    if settings.port is not None:
        click.echo(f"  url     {note['url']}")
        click.echo(f"  try     curl -H {token} {note['url']}/v2/apps")
    else:
        socket = shlex.quote(str(note["socket"]))
        click.echo(f"  try     curl --unix-socket {socket} -H {token} http://localhost/v2/apps")
