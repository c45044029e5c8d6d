"""``config``, ``get config``, ``list config`` and ``unset config``: environment variables of instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nbfn.commands import complete
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP, Nouns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _set(edge: Edge, app: str, key: str, value: str, function: str | None = None) -> None:
    from nbfn import verbs

    if not key or not value:
        raise click.UsageError("a key and its value are not empty: `nbfn unset config` removes one")
    verbs.set_config(app, key, value, function, session=edge.session)
    edge.show.say(f"{_name(app, function)} updated {key} with {value}")


def _get(edge: Edge, app: str, key: str, function: str | None = None) -> None:
    from nbfn import verbs

    edge.show.say(verbs.get_config(app, key, function, session=edge.session))


def _list(edge: Edge, app: str, output: str | None, function: str | None = None) -> None:
    from nbfn import verbs

    config = verbs.list_config(app, function, session=edge.session)
    if output:
        edge.show.document(dict(config))
    elif config:
        edge.show.table(("KEY", "VALUE"), sorted(config.items()))
    else:
        edge.show.note(f"No config found for {_name(app, function)}")


def _unset(edge: Edge, app: str, key: str, function: str | None = None) -> None:
    from nbfn import verbs

    # As in the Fn CLI, what is gone already is no failure.
    if key not in verbs.list_config(app, function, session=edge.session):
        edge.show.say(f"Config key '{key}' does not exist. Nothing to do.")
        return
    verbs.unset_config(app, key, function, session=edge.session)
    edge.show.say(
        f"Removed key '{key}' from {f'app {app!r}' if function is None else f'the function {function!r}'}"
    )


def _name(app: str, function: str | None) -> str:
    return app if function is None else f"{app} {function}"


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
        case "key":
            return click.Argument([name], shell_complete=complete.config_keys)
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
