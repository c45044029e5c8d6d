"""``create``, ``list``, ``inspect``, ``update`` and ``delete`` of applications, functions and triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nbfn.commands import complete
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import (
    HELP,
    Nouns,
    annotation_option,
    config_option,
    limit_options,
    page_options,
    scale_options,
)
from nbfn.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

app_argument = click.argument("app", metavar="APP", shell_complete=complete.apps)
function_argument = click.argument("function", metavar="FUNCTION", shell_complete=complete.functions)
trigger_argument = click.argument("trigger", metavar="TRIGGER", shell_complete=complete.triggers)
property_argument = click.argument("prop", metavar="[PROPERTY[.KEY]]", required=False)
syslog_option = click.option("--syslog-url", metavar="URL", help="Where a Fn server sends logs.")

_INVOKE_URL = "fnproject.io/fn/invokeEndpoint"
_TRIGGER_URL = "fnproject.io/trigger/httpEndpoint"


@click.command("app", context_settings=HELP)
@click.argument("app", metavar="APP")
@config_option
@annotation_option
@syslog_option
@click.option(
    "--shape",
    default="",
    metavar="SHAPE",
    help="OCI's: GENERIC_X86 (default), GENERIC_ARM or GENERIC_X86_ARM.",
)
@edge
def create_app(
    edge: Edge, app: str, config: Pairs, annotation: Pairs, syslog_url: str | None, shape: str
) -> None:
    """Make an application.

    In OCI it has one to three subnets: --annotation 'oracle.com/oci/subnetIds=["ocid1.subnet.…"]'.
    """
    from nbfn import verbs

    made = verbs.create_app(
        app,
        config=dict(config),
        annotations=dict(annotation),
        syslog_url=syslog_url or "",
        shape=shape,
        session=edge.session,
    )
    edge.show.say(f"Successfully created app: {made.name}")


@click.command("app", context_settings=HELP)
@page_options
@edge
def list_apps(edge: Edge, limit: int, output: str | None) -> None:
    """List the applications."""
    held = edge.session.control.apps.list(limit=limit)
    _list(edge, held, ("name", "id"), output, "No apps found")


@click.command("app", context_settings=HELP)
@app_argument
@property_argument
@edge
def inspect_app(edge: Edge, app: str, prop: str | None) -> None:
    """Show an application, or one of its properties."""
    edge.show.document(_property(edge.session.control.app(app), prop))


@click.command("app", context_settings=HELP)
@app_argument
@config_option
@annotation_option
@syslog_option
@edge
def update_app(edge: Edge, app: str, config: Pairs, annotation: Pairs, syslog_url: str | None) -> None:
    """Change an application; KEY= (without a value) removes a key."""
    from nbfn import verbs

    verbs.update_app(
        app,
        config=dict(config),
        annotations=dict(annotation),
        syslog_url=syslog_url,
        session=edge.session,
    )
    edge.show.say(f"app {app} updated")


@click.command("app", context_settings=HELP)
@app_argument
@click.option("--force", "-f", is_flag=True, help="Taken for the Fn CLI's sake: nothing is asked.")
@click.option("--recursive", "-r", is_flag=True, help="Delete its functions and triggers first.")
@edge
def delete_app(edge: Edge, app: str, force: bool, recursive: bool) -> None:
    """Delete an application."""
    from nbfn import verbs

    verbs.delete_app(app, recursive=recursive, session=edge.session)
    edge.show.say(f"App {app} deleted")


@click.command("function", context_settings=HELP)
@app_argument
@click.argument("function", metavar="FUNCTION")
@click.argument("image", metavar="IMAGE:TAG")
@limit_options
@scale_options
@config_option
@annotation_option
@edge
def create_function(
    edge: Edge,
    /,
    app: str,
    function: str,
    image: str,
    config: Pairs,
    annotation: Pairs,
    min_instances: int | None,
    max_instances: int | None,
    **limits: int | None,
) -> None:
    """Make a function of an image that the server can read."""
    from nbfn import verbs

    made = verbs.create_function(
        app,
        function,
        image,
        **limits,
        config=dict(config),
        annotations=dict(annotation),
        min_instances=min_instances,
        max_instances=max_instances,
        session=edge.session,
    )
    edge.show.say(f"Successfully created function: {made.name} with {made.image}")


@click.command("function", context_settings=HELP)
@app_argument
@page_options
@edge
def list_functions(edge: Edge, app: str, limit: int, output: str | None) -> None:
    """List the functions of an application."""
    control = edge.session.control
    held = control.functions.list(limit=limit, app_id=control.app(app)["id"])
    _list(edge, held, ("name", "image", "id"), output, f"No functions found for app: {app}")


@click.command("function", context_settings=HELP)
@app_argument
@function_argument
@property_argument
@click.option("--endpoint", is_flag=True, help="Only the URL that invokes it.")
@edge
def inspect_function(edge: Edge, app: str, function: str, prop: str | None, endpoint: bool) -> None:
    """Show a function, or one of its properties."""
    from nbfn.verbs.objects import shown

    held = shown(edge.session.control.function(app, function))
    if endpoint:
        edge.show.say(str((held.get("annotations") or {}).get(_INVOKE_URL, "")))
    else:
        edge.show.document(_property(held, prop))


@click.command("function", context_settings=HELP)
@app_argument
@function_argument
@click.option("--image", default="", metavar="IMAGE:TAG", help="Another image.")
@limit_options
@scale_options
@config_option
@annotation_option
@edge
def update_function(
    edge: Edge, /, app: str, function: str, image: str, config: Pairs, annotation: Pairs, **limits: int | None
) -> None:
    """Change a function; KEY= (without a value) removes a key."""
    from nbfn import verbs

    verbs.update_function(
        app,
        function,
        image=image,
        **limits,
        config=dict(config),
        annotations=dict(annotation),
        session=edge.session,
    )
    edge.show.say(f"{app} {function} updated")


@click.command("function", context_settings=HELP)
@app_argument
@function_argument
@click.option("--force", "-f", is_flag=True, help="Taken for the Fn CLI's sake: nothing is asked.")
@click.option("--recursive", "-r", is_flag=True, help="Taken too: its triggers always go first.")
@edge
def delete_function(edge: Edge, app: str, function: str, force: bool, recursive: bool) -> None:
    """Delete a function and its triggers."""
    from nbfn import verbs

    verbs.delete_function(app, function, session=edge.session)
    edge.show.say(f"{app} {function} deleted")


@click.command("trigger", context_settings=HELP)
@app_argument
@function_argument
@click.argument("trigger", metavar="TRIGGER")
@click.option("--source", required=True, help="Its path: /t/APP + this, which begins with '/'.")
@click.option("--type", "kind", default="http", type=click.Choice(["http"]), help="Only http.")
@annotation_option
@edge
def create_trigger(
    edge: Edge, app: str, function: str, trigger: str, source: str, kind: str, annotation: Pairs
) -> None:
    """Make a way to a function by HTTP."""
    control = edge.session.control
    held = control.function(app, function)
    body = {
        "name": trigger,
        "type": kind,
        "source": source,
        "app_id": held["app_id"],
        "fn_id": held["id"],
        **({"annotations": dict(annotation)} if annotation else {}),
    }
    made = control.triggers.create(body)
    edge.show.say(f"Successfully created trigger: {made['name']}")
    edge.show.say(f"Trigger Endpoint: {(made.get('annotations') or {}).get(_TRIGGER_URL, source)}")


@click.command("trigger", context_settings=HELP)
@app_argument
@click.argument("function", metavar="[FUNCTION]", required=False, shell_complete=complete.functions)
@page_options
@edge
def list_triggers(edge: Edge, app: str, function: str | None, limit: int, output: str | None) -> None:
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
        for each in control.triggers.list(limit=limit, app_id=app_id, **of)
    ]
    fields = ("function", "name", "id", "type", "source", "endpoint")
    _list(edge, held, fields, output, f"No triggers found for {app}{f' {function}' if function else ''}")


@click.command("trigger", context_settings=HELP)
@app_argument
@function_argument
@trigger_argument
@property_argument
@edge
def inspect_trigger(edge: Edge, app: str, function: str, trigger: str, prop: str | None) -> None:
    """Show a trigger, or one of its properties."""
    edge.show.document(_property(edge.session.control.trigger(app, function, trigger), prop))


@click.command("trigger", context_settings=HELP)
@app_argument
@function_argument
@trigger_argument
@annotation_option
@edge
def update_trigger(edge: Edge, app: str, function: str, trigger: str, annotation: Pairs) -> None:
    """Change a trigger's annotations."""
    control = edge.session.control
    held = control.trigger(app, function, trigger)
    control.triggers.update(
        held["id"], {**{key: held[key] for key in _TRIGGER_KEYS}, "annotations": dict(annotation)}
    )
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


Pairs = tuple[tuple[str, Any], ...]
_TRIGGER_KEYS = ("id", "name", "app_id", "fn_id", "type", "source")


def _list(
    edge: Edge, held: Sequence[Mapping[str, Any]], fields: Sequence[str], output: str | None, none: str
) -> None:
    if output:
        edge.show.document([{name: each.get(name, "") for name in fields} for each in held])
    elif held:
        rows = [[str(each.get(name, "")) for name in fields] for each in held]
        edge.show.table([name.upper() for name in fields], rows)
    else:
        edge.show.note(none)


def _property(held: Mapping[str, Any], prop: str | None) -> Any:
    """``held``, or what is at a dotted path in it; keys of annotations have dots themselves."""
    value: Any = held
    rest = prop or ""
    while rest:
        keys = value if isinstance(value, dict) else {}
        found = max((key for key in keys if f"{rest}.".startswith(f"{key}.")), key=len, default=None)
        if found is None:
            raise NotFound(f"{held.get('name')} has no {prop!r}", hint=f"it has: {', '.join(keys) or 'none'}")
        value, rest = value[found], rest[len(found) + 1 :]
    return value


def register(verbs: dict[str, Nouns]) -> None:
    """Say these verbs of applications, functions and triggers."""
    for name, commands in (
        ("create", (create_app, create_function, create_trigger)),
        ("list", (list_apps, list_functions, list_triggers)),
        ("inspect", (inspect_app, inspect_function, inspect_trigger)),
        ("update", (update_app, update_function, update_trigger)),
        ("delete", (delete_app, delete_function, delete_trigger)),
    ):
        for command in commands:
            verbs[name].add_command(command)
