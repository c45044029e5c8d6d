"""``create``, ``list``, ``inspect``, ``update`` and ``delete trigger``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nbfn.commands import complete
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP, Nouns, annotation_option, json_option, page_options
from nbfn.commands.listing import cursor_option, listed, property_of, show_list
from nbfn.commands.objects import app_argument, function_argument, property_argument

if TYPE_CHECKING:
    Pairs = tuple[tuple[str, Any], ...]

trigger_argument = click.argument("trigger", metavar="TRIGGER", shell_complete=complete.triggers)

_TRIGGER_URL = "fnproject.io/trigger/httpEndpoint"


@click.command("trigger", context_settings=HELP)
@app_argument
@function_argument
@click.argument("trigger", metavar="TRIGGER")
@click.option("--source", "-s", required=True, help="Its path: /t/APP/ + this.")
@click.option(
    "--type", "-t", default="http", type=click.Choice(["http"]), expose_value=False, help="Only http."
)
@annotation_option
@edge
def create_trigger(edge: Edge, app: str, function: str, trigger: str, source: str, annotation: Pairs) -> None:
    """Make a way to a function by HTTP."""
    from nbfn import verbs

    made = verbs.create_trigger(
        app,
        function,
        trigger,
        source=source if source.startswith("/") else f"/{source}",
        annotations=dict(annotation),
        session=edge.session,
    )
    edge.show.say(f"Successfully created trigger: {made.name}")
    edge.show.say(f"Trigger Endpoint: {made.url or source}")


@click.command("trigger", context_settings=HELP)
@app_argument
@click.argument("function", metavar="[FUNCTION]", required=False, shell_complete=complete.functions)
@page_options
@cursor_option
@edge
def list_triggers(
    edge: Edge, app: str, function: str | None, limit: int, cursor: str, output: str | None
) -> None:
    """List the triggers of an application, or of one function."""
    control = edge.session.control
    app_id = control.app(app)["id"]
    of = {"fn_id": control.function(app, function)["id"]} if function else {}
    names = {each["id"]: each["name"] for each in control.functions.list(app_id=app_id)}
    held = [
        {
            **each,
            "function": names.get(each["fn_id"], ""),
            "endpoint": (each.get("annotations") or {}).get(_TRIGGER_URL, ""),
        }
        for each in listed(edge, control.triggers, limit, cursor, {}, app_id=app_id, **of)
    ]
    of_one = function is not None and not output  # a table of one function's does not name it
    fields = (*(() if of_one else ("function",)), "name", "id", "type", "source", "endpoint")
    show_list(edge, held, fields, output, f"No triggers found for {app}{f' {function}' if function else ''}")


@click.command("trigger", context_settings=HELP)
@app_argument
@function_argument
@trigger_argument
@property_argument
@json_option
@edge
def inspect_trigger(edge: Edge, app: str, function: str, trigger: str, prop: str | None) -> None:
    """Show a trigger, or one of its properties."""
    edge.show.document(property_of(edge.session.control.trigger(app, function, trigger), prop))


@click.command("trigger", context_settings=HELP)
@app_argument
@function_argument
@trigger_argument
@annotation_option
@edge
def update_trigger(edge: Edge, app: str, function: str, trigger: str, annotation: Pairs) -> None:
    """Change a trigger's annotations."""
    from nbfn import verbs

    verbs.update_trigger(app, function, trigger, annotations=dict(annotation), session=edge.session)
    edge.show.say(f"{app} {function} {trigger} updated")


@click.command("trigger", context_settings=HELP)
@app_argument
@function_argument
@trigger_argument
@edge
def delete_trigger(edge: Edge, app: str, function: str, trigger: str) -> None:
    """Delete a trigger."""
    from nbfn import verbs

    verbs.delete_trigger(app, function, trigger, session=edge.session)
    edge.show.say(f"{app} {function} {trigger} deleted")


def register(verbs: dict[str, Nouns]) -> None:
    """Say these verbs of triggers."""
    for name, command in (
        ("create", create_trigger),
        ("list", list_triggers),
        ("inspect", inspect_trigger),
        ("update", update_trigger),
        ("delete", delete_trigger),
    ):
        verbs[name].add_command(command)
