"""What the Fn CLI has and nbfn has not: each is known, and says what to do instead. Help does not list it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nbfn.commands.grammar import HELP
from nbfn.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., Any]

PRE_BUILT = {"--pbf": "`create function APP NAME --pbf NAME|OCID` makes a function of a pre-built one"}
OF_START = {
    "--version": "the executor is part of nbfn: install that version of it",
    "--iofs-dir": "instances have their sockets below NBFN_STATE",
    "--local-debug": "`greet.local(…)` runs a function here, under any debugger",
    "--local-debug-port": "`greet.local(…)` runs a function here, under any debugger",
}
_FLAGS = ("--local-debug",)


def refused(options: dict[str, str]) -> Callable[[Command], Command]:
    """Have a command know these options, and refuse them with what each says."""

    def decorate(command: Command) -> Command:
        for name, instead in options.items():
            command = click.option(
                name,
                hidden=True,
                expose_value=False,
                is_flag=name in _FLAGS,
                default=None,
                callback=_refuse,
                help=instead,
            )(command)
        return command

    return decorate


def refused_command(name: str, what: str, instead: str) -> click.Command:
    """A command that only says that it is not here, and what to do instead."""

    def refuse(**_: object) -> None:
        raise BadInput(f"nbfn does not {what}", hint=instead)

    return click.Command(
        name,
        callback=refuse,
        params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)],
        help=f"Not in nbfn, which does not {what}: {instead}.",
        hidden=True,
        context_settings={**HELP, "ignore_unknown_options": True},
    )


build_server = refused_command(
    "build-server",
    "build Fn servers",
    "the executor needs no image and has no extensions; the Fn CLI builds Fn's own server",
)
update_server = refused_command(
    "server", "pull Fn servers", "the executor is part of nbfn: `pip install --upgrade nbfn`"
)


def _refuse(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if value:
        raise BadInput(f"`{ctx.command_path}` has no {param.opts[0]}", hint=getattr(param, "help", "") or "")
