"""``list pbfs``, ``get pbfs`` and ``change-compartment``: what only OCI Functions has."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from nbfn.commands import complete
from nbfn.commands.edge import Edge, edge
from nbfn.commands.fromjson import MOVE, from_json
from nbfn.commands.grammar import HELP, Nouns, Words, output_option, verb
from nbfn.commands.options import Integer
from nbfn.commands.terms import on_terms

if TYPE_CHECKING:
    from nbfn.deploy.terms import Terms

limit_option = click.option(
    "--limit", type=Integer(1), default=10, show_default=True, help="At most so many."
)
listing_argument = click.argument("listing", metavar="NAME|OCID")


class OrName(Words):
    """A group whose first word may also be a name, which ``default`` is then given."""

    default = "listing"
    alone_is_help = False

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None:
            return self.default, self.commands[self.default], args
        return super().resolve_command(ctx, args)


@click.group("pbfs", cls=Words, invoke_without_command=True, context_settings=HELP)
@limit_option
@output_option
@click.option("--search", default="", help="Only those with this in their name.")
@click.option("--trigger", default="", help="Only those with this trigger.")
@click.pass_context
@edge
def list_prebuilt(
    edge: Edge, ctx: click.Context, limit: int, output: str | None, search: str, trigger: str
) -> None:
    """List OCI's pre-built functions; `versions` of one, and `triggers`."""
    from nbfn import verbs

    if ctx.invoked_subcommand:
        return
    found = verbs.prebuilt_functions(search=search, trigger=trigger, limit=limit, session=edge.session)
    if output:
        edge.show.document([asdict(each) for each in found])
        return
    rows = [(each.name, each.publisher, each.updated, ",".join(each.triggers), each.id) for each in found]
    edge.show.table(("NAME", "PUBLISHER", "UPDATED", "TRIGGERS", "ID"), rows)


@list_prebuilt.command("versions", context_settings=HELP)
@listing_argument
@click.option("--current", is_flag=True, help="Only the one that is in use now.")
@limit_option
@output_option
@edge
def list_versions(edge: Edge, listing: str, current: bool, limit: int, output: str | None) -> None:
    """List the versions of a pre-built function."""
    from nbfn import verbs

    found = verbs.prebuilt_versions(listing, current=current, limit=limit, session=edge.session)
    if output:
        edge.show.document([dict(each.document) for each in found])
        return
    rows = [(each.name, each.state, each.updated, str(each.min_memory_mb or ""), each.id) for each in found]
    edge.show.table(("VERSION", "STATE", "UPDATED", "MIN_MEMORY_MBS", "ID"), rows)


@list_prebuilt.command("triggers", context_settings=HELP)
@click.argument("trigger", metavar="[TRIGGER]", required=False)
@limit_option
@output_option
@edge
def list_triggers(edge: Edge, trigger: str | None, limit: int, output: str | None) -> None:
    """List what pre-built functions can be triggered by."""
    from nbfn import verbs

    found = verbs.prebuilt_triggers(trigger or "", limit=limit, session=edge.session)
    if output:
        edge.show.document([{"name": name} for name in found])
    else:
        edge.show.table(("NAME",), [(name,) for name in found])


get_prebuilt = OrName(
    "pbfs",
    subcommand_metavar="NAME|OCID, or version OCID",
    help="Show a pre-built function of OCI's, or a version of one.",
    context_settings=HELP,
)


@get_prebuilt.command("listing", context_settings=HELP, hidden=True)
@listing_argument
@edge
def get_listing(edge: Edge, listing: str) -> None:
    """Show a pre-built function."""
    from nbfn import verbs

    edge.show.document(dict(verbs.prebuilt_function(listing, session=edge.session)))


@get_prebuilt.command("version", context_settings=HELP)
@click.argument("version", metavar="OCID")
@edge
def get_version(edge: Edge, version: str) -> None:
    """Show one version of a pre-built function."""
    from nbfn import verbs

    edge.show.document(dict(verbs.prebuilt_version(version, session=edge.session).document))


@click.command("app", context_settings=HELP)
@click.argument("app", metavar="APP", shell_complete=complete.apps)
@click.option("--compartment-id", required=True, metavar="OCID", help="Where it goes.")
@from_json(MOVE)
@edge
@on_terms()
def move_app(edge: Edge, /, app: str, compartment_id: str, terms: Terms) -> None:
    """Move an application of OCI's to another compartment."""
    from nbfn import verbs

    verbs.change_compartment(app, compartment_id, terms=terms, session=edge.session)
    edge.show.say(f"App {app} moved to compartment {compartment_id}")
    edge.show.note(f"`nbfn update context oracle.compartment-id {compartment_id}` follows it")


change_compartment: Nouns = verb("change-compartment", "Move an application of OCI's to another compartment.")
change_compartment.add_command(move_app)


def register(verbs: dict[str, Nouns]) -> None:
    """Say ``list`` and ``get`` of pre-built functions."""
    verbs["list"].add_command(list_prebuilt)
    verbs["get"].add_command(get_prebuilt)
