"""``create``, ``list``, ``inspect``, ``update``, ``delete``, ``use`` and ``unset context``."""

from __future__ import annotations

import contextlib

import click

from nbfn import config
from nbfn.commands import complete
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP, Nouns, output_option
from nbfn.contexts import PROVIDERS, Contexts
from nbfn.errors import NbfnError

name_argument = click.argument("name", metavar="CONTEXT", shell_complete=complete.contexts)


@click.command("context", context_settings=HELP)
@click.argument("name", metavar="CONTEXT")
@click.option(
    "--provider",
    default="default",
    shell_complete=complete.providers,
    help=f"One of: {', '.join(PROVIDERS)}.",
)
@click.option("--api-url", default="", metavar="URL", help="The server.")
@click.option("--registry", default="", help="Prefix of image names.")
@edge
def create(edge: Edge, name: str, provider: str, api_url: str, registry: str) -> None:
    """Make a context: which server, which registry."""
    Contexts().create(name, provider=provider, api_url=api_url, registry=registry)
    edge.show.say(f"Successfully created context: {name}")


@click.command("context", context_settings=HELP)
@output_option
@edge
def list_(edge: Edge, output: str | None) -> None:
    """List the contexts; the current one has a star. A file that cannot be understood is told apart."""
    store = Contexts()
    current = edge.context or _current(edge, store)
    found, bad = store.sorted_out()
    for file, error in bad.items():
        # What is wrong with a name says nothing of the file.
        edge.show.note(f"left out: {error}" if str(file) in error.message else f"left out: {file}: {error}")
    if output:
        edge.show.document(
            [
                {
                    "current": each.name == current,
                    "name": each.name,
                    "provider": each.provider,
                    "api-url": each.api_url,
                    "registry": each.registry,
                }
                for each in found
            ]
        )
        return
    rows = [
        ("*" if each.name == current else "", each.name, each.provider, each.api_url, each.registry)
        for each in found
    ]
    edge.show.table(("CURRENT", "NAME", "PROVIDER", "API URL", "REGISTRY"), rows)


@click.command("context", context_settings=HELP)
@click.argument("name", metavar="[CONTEXT]", required=False, shell_complete=complete.contexts)
@output_option
@edge
def inspect(edge: Edge, name: str | None, output: str | None) -> None:
    """Show what a context holds (default: the current one). Secrets are not shown."""
    store = Contexts()
    named = name or edge.context or _current(edge, store) or "default"
    if output:
        edge.show.document({"name": named, **store.shown(named)})
    else:
        edge.show.say(f"Current context: {named}\n\n{store.text(named).rstrip()}")


@click.command("context", context_settings=HELP)
@click.argument("key", shell_complete=complete.keys)
@click.argument("value", required=False)
@click.option("--delete", is_flag=True, help="Remove the key.")
@edge
def update(edge: Edge, key: str, value: str | None, delete: bool) -> None:
    """Set a key of the current context: provider, api-url, registry, token, oracle.compartment-id, …"""
    from nbfn.verbs import update_context

    if (value is None) != delete:
        raise click.UsageError("give a value, or --delete")
    update_context(key, value, name=edge.context)
    which = f"Context {edge.context}" if edge.context else "Current context"
    done = f"deleted {key}" if delete else f"updated {key} with {_shown(key, value)}"
    edge.show.say(f"{which} {done}")


@click.command("context", context_settings=HELP)
@name_argument
@edge
def delete(edge: Edge, name: str) -> None:
    """Delete a context. The current one, and 'default', stay."""
    Contexts().delete(name)
    edge.show.say(f"Successfully deleted context {name}")


@click.command("context", context_settings=HELP)
@name_argument
@edge
def use(edge: Edge, name: str) -> None:
    """Use a context from now on. In a notebook the whole notebook moves."""
    from nbfn.verbs import use_context

    use_context(name)
    edge.show.say(f"Now using context: {name}")
    if not edge.in_notebook:  # it has moved all the same
        _warn_of_variable(edge, name)


@click.command("context", context_settings=HELP)
@edge
def unset(edge: Edge) -> None:
    """Use no context: 'default' is then meant."""
    from nbfn.verbs import unset_context

    unset_context()
    edge.show.say("Successfully unset current context")
    _warn_of_variable(edge, "")


def _current(edge: Edge, store: Contexts) -> str:
    """In a notebook the context of its session: another tool may have chosen another one since."""
    if edge.in_notebook:
        with contextlib.suppress(NbfnError):  # it is the one that cannot be understood
            return edge.session.context.name
    return store.current_name()


def _warn_of_variable(edge: Edge, name: str) -> None:
    outweighs = config.variable("FN_CONTEXT")
    if outweighs and outweighs != name:
        edge.show.note(f"FN_CONTEXT={outweighs} outweighs that: `unset FN_CONTEXT` makes it count")


def _shown(key: str, value: str | None) -> str:
    from nbfn.contexts.context import SECRETS

    return "…" if key in SECRETS else str(value)


def register(verbs: dict[str, Nouns]) -> None:
    """Say these verbs of contexts."""
    for name, command in (
        ("create", create),
        ("list", list_),
        ("inspect", inspect),
        ("update", update),
        ("delete", delete),
        ("use", use),
        ("unset", unset),
    ):
        verbs[name].add_command(command)
