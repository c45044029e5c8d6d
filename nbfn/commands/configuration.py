"""``config``, ``get config``, ``list config`` and ``unset config``: environment variables of instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nbfn.commands import complete
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP, Nouns
from nbfn.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbfn.deploy.control import Collection, Object


def _find(edge: Edge, app: str, function: str | None) -> tuple[Collection, Object, str]:
    """Where it is kept, what is kept, and what to call it."""
    from nbfn.verbs.objects import shown

    control = edge.session.control
    if function is None:
        return control.apps, control.app(app), app
    return control.functions, shown(control.function(app, function)), f"{app} {function}"


def _set(edge: Edge, app: str, key: str, value: str, function: str | None = None) -> None:
    collection, held, name = _find(edge, app, function)
    if not key or not value:
        raise click.UsageError("a key and its value are not empty: `fn unset config` removes one")
    collection.update(held["id"], {"config": {key: value}})
    edge.show.say(f"{name} updated {key} with {value}")


def _get(edge: Edge, app: str, key: str, function: str | None = None) -> None:
    _, held, name = _find(edge, app, function)
    edge.show.say(_value(held, key, name))


def _list(edge: Edge, app: str, output: str | None, function: str | None = None) -> None:
    _, held, name = _find(edge, app, function)
    config = held.get("config") or {}
    if output:
        edge.show.document(config)
    elif config:
        edge.show.table(("KEY", "VALUE"), sorted(config.items()))
    else:
        edge.show.note(f"No config found for {name}")


def _unset(edge: Edge, app: str, key: str, function: str | None = None) -> None:
    collection, held, name = _find(edge, app, function)
    _value(held, key, name)
    collection.update(held["id"], {"config": {key: ""}})
    edge.show.say(f"Removed key '{key}' from {name}")


def _value(held: Object, key: str, name: str) -> str:
    config = held.get("config") or {}
    if key not in config:
        hint = f"its keys: {', '.join(sorted(config))}" if config else "it has no configuration"
        raise NotFound(f"{name} has no configuration key {key!r}", hint=hint, status=404)
    return str(config[key])


def _commands(action: Callable[..., None], what: str, more: Sequence[str]) -> list[click.Command]:
    """``action`` as a command for applications and one for functions; ``more`` is what it takes besides."""
    made = []
    for noun, described, names in (
        ("app", "an application", ("app",)),
        ("function", "a function", ("app", "function")),
    ):
        made.append(
            click.Command(
                noun,
                callback=edge(action),
                params=[_parameter(each) for each in (*names, *more)],
                help=f"{what} {described}.",
                context_settings=HELP,
            )
        )
    return made


def _parameter(name: str) -> click.Parameter:
    match name:
        case "app":
            return click.Argument([name], metavar="APP", shell_complete=complete.apps)
        case "function":
            return click.Argument([name], metavar="FUNCTION", shell_complete=complete.functions)
        case "output":
            kind = click.Choice(["json"], case_sensitive=False)
            return click.Option(["--output"], type=kind, help="Print JSON instead of a table.")
        case _:
            return click.Argument([name])


def _nouns(name: str, what: str, commands: Sequence[click.Command]) -> Nouns:
    made = Nouns(name, help=what, context_settings=HELP)
    for command in commands:
        made.add_command(command)
    return made


config = _nouns(
    "config",
    "Set a configuration key of an application or function.",
    _commands(_set, "Set a configuration key of", ("key", "value")),
)


def register(verbs: dict[str, Nouns]) -> None:
    """Say ``get``, ``list``, ``unset`` and ``delete`` of configuration."""
    verbs["get"].add_command(
        _nouns(
            "config", "Show a configuration key.", _commands(_get, "Show a configuration key of", ("key",))
        )
    )
    verbs["list"].add_command(
        _nouns("config", "List configuration.", _commands(_list, "List the configuration of", ("output",)))
    )
    unset = _commands(_unset, "Remove a configuration key of", ("key",))
    verbs["unset"].add_command(_nouns("config", "Remove a configuration key.", unset))
    verbs["delete"].add_command(_nouns("config", "Remove a configuration key.", unset))
