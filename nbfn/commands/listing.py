"""Lists and properties of objects, as ``list`` and ``inspect`` show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nbfn.commands.fromjson import LIST, from_json
from nbfn.commands.oracle import left_out
from nbfn.deploy.terms import STATES
from nbfn.errors import BadInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbfn.commands.edge import Edge
    from nbfn.deploy.control import Collection, Object

    Command = Callable[..., Any]

cursor_option = click.option(
    "--cursor", default="", help="Begin behind this page (its name is the server's)."
)
_SORTS = {"name": "name", "displayname": "name", "id": "id", "timecreated": "created_at"}


def pick_options(command: Command) -> Command:
    """``--display-name``, ``--id``, ``--lifecycle-state``, ``--sort-by``, ``--sort-order``, and
    ``--from-json`` of these."""
    for option in (
        from_json(LIST),
        click.option(
            "--sort-order", type=click.Choice(["ASC", "DESC"], case_sensitive=False), help="Which way."
        ),
        click.option(
            "--sort-by",
            type=click.Choice(["name", "displayName", "id", "timeCreated"], case_sensitive=False),
            help="In this order.",
        ),
        click.option("--id", "object_id", default="", metavar="ID", help="Only the one with this id."),
        click.option("--display-name", default="", metavar="NAME", help="Only the one of this name."),
        click.option(
            "--lifecycle-state",
            type=click.Choice(STATES, case_sensitive=False),
            metavar="STATE",
            help="Only those in this state, like ACTIVE or DELETING (OCI).",
        ),
    ):
        command = option(command)
    return command


def listed(
    edge: Edge, collection: Collection, limit: int, cursor: str, pick: Mapping[str, Any], **of: str
) -> Sequence[Object]:
    """What a list shows: picked first, counted last. Raises BadInput if the server has no cursors."""
    if cursor and edge.session.context.is_oracle:
        raise BadInput("OCI has no cursors", hint="leave --cursor out: a list has every page")
    at = {"cursor": cursor} if cursor else {}
    picking = dict(pick)
    if state := picking.pop("lifecycle_state", None):
        if edge.session.context.is_oracle:
            at["lifecycle_state"] = state
        else:
            left_out(edge, ["lifecycle_state"])
    wanted = any(picking.values())
    return picked(collection.list(limit=None if wanted else limit, **of, **at), **picking)[:limit]


def picked(
    held: Sequence[Object],
    *,
    display_name: str = "",
    object_id: str = "",
    sort_by: str | None = None,
    sort_order: str | None = None,
) -> list[Object]:
    """Those of ``held`` that are asked for, in the order that is asked for. Pure."""
    found = [
        each for each in held if display_name in ("", each.get("name")) and object_id in ("", each.get("id"))
    ]
    if sort_by:
        key = _SORTS[sort_by.lower()]
        found.sort(key=lambda each: str(each.get(key, "")))
    if (sort_order or "").upper() == "DESC":
        found.reverse()
    return found


def show_list(
    edge: Edge, held: Sequence[Mapping[str, Any]], fields: Sequence[str], output: str | None, none: str
) -> None:
    if output:
        edge.show.document([{name: each.get(name, "") for name in fields} for each in held])
    elif held:
        rows = [[str(each.get(name, "")) for name in fields] for each in held]
        edge.show.table([name.upper() for name in fields], rows)
    else:
        edge.show.note(none)


def property_of(held: Mapping[str, Any], prop: str | None) -> Any:
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
