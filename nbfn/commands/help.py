"""``help``: what ``--help`` of a command says."""

from __future__ import annotations

import click

from nbfn.commands.grammar import HELP


@click.command("help", context_settings=HELP)
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@click.pass_context
def help_(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command: `help deploy`, `help create app`."""
    at = ctx.find_root()
    for word in words:
        if not isinstance(at.command, click.Group):
            raise click.UsageError(f"`{at.info_name}` has no command {word!r}", at)
        name, command, _ = at.command.resolve_command(at, [word])
        if command is None:
            raise click.UsageError(f"no such command: {word!r}", at)
        at = click.Context(command, info_name=name, parent=at)
    click.echo(at.get_help())
