"""``create``, ``list``, ``inspect``, ``update`` and ``delete`` of applications and functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from nbfn.commands import complete
from nbfn.commands.edge import Edge, edge
from nbfn.commands.fromjson import APP, APP_CHANGE, FUNCTION, REMOVAL, from_json
from nbfn.commands.grammar import (
    HELP,
    Nouns,
    annotation_option,
    config_option,
    json_option,
    limit_options,
    output_option,
    page_options,
    scale_options,
)
from nbfn.commands.listing import cursor_option, listed, pick_options, property_of, show_list
from nbfn.commands.modes import OF_LISTS, cells, columns, with_modes
from nbfn.commands.oracle import (
    app_options,
    destination_options,
    end_options,
    mode_options,
    notes_for,
    tag_options,
    untag_options,
)
from nbfn.commands.refused import PRE_BUILT, refused
from nbfn.commands.terms import on_terms

if TYPE_CHECKING:
    from nbfn.deploy.terms import Terms

    Pairs = tuple[tuple[str, Any], ...]

app_argument = click.argument("app", metavar="APP", shell_complete=complete.apps)
function_argument = click.argument("function", metavar="FUNCTION", shell_complete=complete.functions)
property_argument = click.argument(
    "prop", metavar="[PROPERTY[.KEY]]", required=False, shell_complete=complete.properties
)
subnet_option = click.option(
    "--subnet-id", "subnet_ids", multiple=True, metavar="OCID", help="Its subnets (OCI); repeatable."
)
syslog_option = click.option("--syslog-url", metavar="URL", help="Where a Fn server sends logs.")

_INVOKE_URL = "fnproject.io/fn/invokeEndpoint"


@click.command("app", context_settings=HELP)
@click.argument("app", metavar="APP")
@config_option
@annotation_option
@syslog_option
@click.option(
    "--shape",
    default="",
    metavar="SHAPE",
    shell_complete=complete.shapes,
    help="OCI's: GENERIC_X86 (default), GENERIC_ARM or GENERIC_X86_ARM.",
)
@subnet_option
@tag_options
@app_options
@from_json(APP)
@edge
@on_terms(matching=False)
def create_app(
    edge: Edge,
    /,
    app: str,
    config: Pairs,
    annotation: Pairs,
    syslog_url: str | None,
    shape: str,
    terms: Terms,
    **oci: Any,
) -> None:
    """Make an application. In OCI it has one to three subnets."""
    from nbfn import verbs

    made = verbs.create_app(
        app,
        config=dict(config),
        annotations={**dict(annotation), **notes_for(edge, oci)},
        syslog_url=syslog_url or "",
        shape=shape,
        terms=terms,
        session=edge.session,
    )
    edge.show.say(f"Successfully created app: {made.name}")


@click.command("app", context_settings=HELP)
@page_options
@cursor_option
@pick_options
@edge
def list_apps(edge: Edge, /, limit: int, cursor: str, output: str | None, **pick: Any) -> None:
    """List the applications."""
    held = listed(edge, edge.session.control.apps, limit, cursor, pick)
    show_list(edge, held, ("name", "id"), output, "No apps found")


@click.command("app", context_settings=HELP)
@app_argument
@property_argument
@json_option
@edge
def inspect_app(edge: Edge, app: str, prop: str | None) -> None:
    """Show an application, or one of its properties."""
    edge.show.document(property_of(with_modes(edge.session.control.app(app)), prop))


@click.command("app", context_settings=HELP)
@app_argument
@config_option
@annotation_option
@syslog_option
@subnet_option
@tag_options
@untag_options
@app_options
@from_json(APP_CHANGE)
@edge
@on_terms()
def update_app(
    edge: Edge,
    /,
    app: str,
    config: Pairs,
    annotation: Pairs,
    syslog_url: str | None,
    terms: Terms,
    **oci: Any,
) -> None:
    """Change an application; KEY= (without a value) removes a key."""
    from nbfn import verbs

    notes = notes_for(edge, oci, lambda: edge.session.control.app(app).get("annotations") or {})
    verbs.update_app(
        app,
        config=dict(config),
        annotations={**dict(annotation), **notes},
        syslog_url=syslog_url,
        terms=terms,
        session=edge.session,
    )
    edge.show.say(f"app {app} updated")


@click.command("app", context_settings=HELP)
@app_argument
@click.option("--force", "-f", is_flag=True, help="Taken for the Fn CLI's sake: nothing is asked.")
@click.option("--recursive", "-r", is_flag=True, help="Delete its functions and triggers first.")
@from_json(REMOVAL)
@edge
@on_terms()
def delete_app(edge: Edge, /, app: str, force: bool, recursive: bool, terms: Terms) -> None:
    """Delete an application."""
    from nbfn import verbs

    verbs.delete_app(app, recursive=recursive, terms=terms, session=edge.session)
    edge.show.say(f"App {app} deleted")


@click.command("function", context_settings=HELP)
@app_argument
@click.argument("function", metavar="FUNCTION")
@click.argument("image", metavar="[IMAGE:TAG]", required=False)
@click.option(
    "--image", "named", default="", metavar="IMAGE:TAG", help="Its image, instead of the third name."
)
@limit_options
@scale_options
@config_option
@annotation_option
@click.option("--pbf", default="", metavar="NAME|OCID", help="A pre-built function (OCI), not an image.")
@tag_options
@mode_options
@destination_options
@from_json(FUNCTION)
@edge
@on_terms(matching=False)
def create_function(
    edge: Edge,
    /,
    app: str,
    function: str,
    image: str | None,
    named: str,
    pbf: str,
    config: Pairs,
    annotation: Pairs,
    memory: int | None,
    timeout: int | None,
    idle_timeout: int | None,
    min_instances: int | None,
    max_instances: int | None,
    terms: Terms,
    **oci: Any,
) -> None:
    """Make a function of an image that the server can read."""
    from nbfn import verbs

    if click.get_current_context().get_parameter_source("image") is ParameterSource.DEFAULT_MAP:
        image = None if named or pbf else image  # the line wins over --from-json
    if sum(map(bool, (image, named, pbf))) != 1:
        raise click.UsageError("name the image once, as IMAGE:TAG or with --image; or give --pbf")
    told: dict[str, Any] = {
        "memory": memory,
        "timeout": timeout,
        "config": dict(config),
        "annotations": {**dict(annotation), **notes_for(edge, oci)},
        "terms": terms,
        "session": edge.session,
    }
    source = image or named or pbf
    if pbf and (min_instances or max_instances):
        raise click.UsageError("OCI keeps no numbers of instances: see --provisioned-concurrency")
    if pbf:
        verbs.create_prebuilt(app, function, pbf, **told)
    else:
        told |= {"min_instances": min_instances, "max_instances": max_instances}
        verbs.create_function(app, function, source, idle_timeout=idle_timeout, **told)
    edge.show.say(f"Successfully created function: {function} with {source}")


@click.command("function", context_settings=HELP)
@app_argument
@page_options
@cursor_option
@pick_options
@edge
def list_functions(edge: Edge, /, app: str, limit: int, cursor: str, output: str | None, **pick: Any) -> None:
    """List the functions of an application."""
    control = edge.session.control
    held = listed(edge, control.functions, limit, cursor, pick, app_id=control.app(app)["id"])
    none = f"No functions found for app: {app}"
    if output:
        told = [{"name": "", "image": "", "id": "", **with_modes(each)} for each in held]
        fields = ("name", "image", "id", *OF_LISTS)
        edge.show.document([{name: each[name] for name in fields if name in each} for each in told])
        return
    more = columns(held)
    rows = [{**each, **{name.lower(): value for name, value in cells(each).items()}} for each in held]
    show_list(edge, rows, ("name", "image", *map(str.lower, more), "id"), None, none)


@click.command("function", context_settings=HELP)
@app_argument
@function_argument
@property_argument
@click.option("--endpoint", is_flag=True, help="Only the URL that invokes it.")
@output_option
@edge
def inspect_function(
    edge: Edge, app: str, function: str, prop: str | None, endpoint: bool, output: str | None
) -> None:
    """Show a function, or one of its properties."""
    from nbfn.verbs.objects import shown

    held = with_modes(shown(edge.session.control.function(app, function)))
    if not endpoint:
        edge.show.document(property_of(held, prop))
        return
    url = str((held.get("annotations") or {}).get(_INVOKE_URL, ""))
    if output:
        edge.show.document(url)
    else:
        edge.show.say(url)


@click.command("function", context_settings=HELP)
@app_argument
@function_argument
@click.option("--image", default="", metavar="IMAGE:TAG", help="Another image.")
@limit_options
@scale_options
@config_option
@annotation_option
@tag_options
@untag_options
@mode_options
@end_options
@destination_options
@from_json(FUNCTION)
@refused(PRE_BUILT)
@edge
@on_terms()
def update_function(
    edge: Edge,
    /,
    app: str,
    function: str,
    image: str,
    config: Pairs,
    annotation: Pairs,
    memory: int | None,
    timeout: int | None,
    idle_timeout: int | None,
    min_instances: int | None,
    max_instances: int | None,
    terms: Terms,
    **oci: Any,
) -> None:
    """Change a function; KEY= (without a value) removes a key."""
    from nbfn import verbs

    notes = notes_for(
        edge, oci, lambda: edge.session.control.function(app, function).get("annotations") or {}
    )
    verbs.update_function(
        app,
        function,
        image=image,
        memory=memory,
        timeout=timeout,
        idle_timeout=idle_timeout,
        min_instances=min_instances,
        max_instances=max_instances,
        config=dict(config),
        annotations={**dict(annotation), **notes},
        terms=terms,
        session=edge.session,
    )
    edge.show.say(f"{app} {function} updated")


@click.command("function", context_settings=HELP)
@app_argument
@function_argument
@click.option("--force", "-f", is_flag=True, help="Taken for the Fn CLI's sake: nothing is asked.")
@click.option("--recursive", "-r", is_flag=True, help="Taken too: its triggers always go first.")
@from_json(REMOVAL)
@edge
@on_terms()
def delete_function(
    edge: Edge, /, app: str, function: str, force: bool, recursive: bool, terms: Terms
) -> None:
    """Delete a function and its triggers."""
    from nbfn import verbs

    verbs.delete_function(app, function, terms=terms, session=edge.session)
    edge.show.say(f"Function {function} deleted")


def register(verbs: dict[str, Nouns]) -> None:
    """Say these verbs of applications and functions."""
    for name, commands in (
        ("create", (create_app, create_function)),
        ("list", (list_apps, list_functions)),
        ("inspect", (inspect_app, inspect_function)),
        ("update", (update_app, update_function)),
        ("delete", (delete_app, delete_function)),
    ):
        for command in commands:
            verbs[name].add_command(command)
