"""The words of the ``fn`` grammar: verbs, what they are said of, their other spellings, and options.

The spellings are those of the Fn CLI 0.6.63. Options may stand before or after the names.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from nbfn.commands.options import Integer

if TYPE_CHECKING:
    from collections.abc import Callable

HELP = {"help_option_names": ["-h", "--help"]}

_OTHER_NAMES = {
    # verbs
    "in": "init",
    "bu": "build",
    "bm": "bump",
    "dp": "deploy",
    "iv": "invoke",
    "p": "push",
    "c": "create",
    "l": "list",
    "ls": "list",
    "i": "inspect",
    "up": "update",
    "d": "delete",
    "u": "use",
    "un": "unset",
    "g": "get",
    "cf": "config",
    "h": "help",
    "m": "migrate",
    "w": "watch",
}
_OTHER_NOUNS = {
    "a": "app",
    "apps": "app",
    "ctx": "context",
    "contexts": "context",
    "f": "function",
    "fs": "function",
    "fn": "function",
    "fns": "function",
    "func": "function",
    "funcs": "function",
    "functions": "function",
    "t": "trigger",
    "tr": "trigger",
    "trig": "trigger",
    "trigs": "trigger",
    "triggers": "trigger",
    "calls": "call",
    "rev": "revision",
    "revs": "revision",
    "revisions": "revision",
    "sv": "server",
    "cf": "config",
}


class Words(click.Group):
    """A group whose commands have other names, too."""

    other_names = _OTHER_NAMES
    alone_is_help = True
    """Said alone it shows its help, which is no failure, as in the Fn CLI."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and self.no_args_is_help and self.alone_is_help and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = super().get_command(ctx, cmd_name)
        return found or super().get_command(ctx, self.other_names.get(cmd_name, ""))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return (command.name if command else name), command, rest


class Nouns(Words):
    """What a verb is said of: ``create app``, ``create function``, …"""

    other_names = _OTHER_NOUNS


def verb(name: str, help_text: str) -> Nouns:
    """A verb that is said of several kinds of objects."""
    return Nouns(name, help=help_text, context_settings=HELP)


class Pair(click.ParamType[tuple[str, str]]):
    """``KEY=VALUE``."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not key or not equals:
            self.fail(f"{value!r} is not KEY=VALUE", param, ctx)
        return key, text


class JsonPair(Pair):
    """``KEY=VALUE`` whose value is JSON, or else text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        key, text = super().convert(value, param, ctx)
        try:
            return key, json.loads(text)
        except ValueError:
            return key, text


config_option = click.option(
    "--config", "-c", type=Pair(), multiple=True, metavar="KEY=VALUE", help="Configuration; may be repeated."
)
annotation_option = click.option(
    "--annotation", type=JsonPair(), multiple=True, metavar="KEY=JSON", help="Annotation; may be repeated."
)
output_option = click.option(
    "--output", type=click.Choice(["json"], case_sensitive=False), help="Print JSON instead of text."
)
json_option = click.option(
    "--output",
    type=click.Choice(["json"], case_sensitive=False),
    expose_value=False,
    help="Taken for the sake of scripts: it is JSON anyway.",
)
working_dir_option = click.option(
    "--working-dir",
    "-w",
    type=click.Path(file_okay=False),
    help="The function's folder (default: this one).",
)
verbose_option = click.option("--verbose", "-v", is_flag=True, help="Say more.")


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--memory``, ``--timeout``, ``--idle-timeout``."""
    for option in (
        click.option("--idle-timeout", type=int, metavar="S", help="What an idle instance waits, seconds."),
        click.option(
            "--timeout",
            "--timeout-in-seconds",
            "timeout",
            type=int,
            metavar="S",
            help="What a call may take, seconds.",
        ),
        click.option("--memory", "-m", type=int, metavar="MB", help="What an instance may use, MB."),
    ):
        command = option(command)
    return command


def scale_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--min-instances``, ``--max-instances``."""
    for name, help_text in (("max", "Never more at once."), ("min", "Kept ready without a call.")):
        count = Integer(0)
        command = click.option(f"--{name}-instances", type=count, metavar="N", help=f"{help_text} 0: none.")(
            command
        )
    return command


def page_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``-n`` and ``--output`` of lists."""
    limit = click.option(
        "-n", "limit", type=Integer(0), default=100, show_default=True, help="At most so many."
    )
    return limit(output_option(command))
