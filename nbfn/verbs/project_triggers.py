"""The triggers of a project: looked at before it is built, made when it is deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.errors import Conflict, NotFound, TargetError
from nbfn.verbs.objects import TRIGGER_ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbfn.deploy.control import Object
    from nbfn.projects import FuncFile, Trigger
    from nbfn.session import Session


def check_triggers(ours: Session, functions: Sequence[FuncFile], app: Object | None) -> None:
    """Return if the server can give these functions their triggers: half a deployment is worse than none.

    ``app`` is the application as it is; None if it is still to be made.

    Raises:
        TargetError: it has no triggers at all.
        Conflict: another trigger of the application, or of these functions, has the same source.
    """
    wanted = [(function, trigger) for function in functions for trigger in function.triggers]
    if not wanted:
        return
    function, _ = wanted[0]
    try:
        held = ours.control.triggers.list(app_id=app["id"] if app else "-")
    except NotFound as error:
        raise TargetError(
            f"{function.name!r} has triggers, and {ours.control.where} has not",
            hint=f"take them out of {function.where('triggers')}, or use another server",
            status=error.status,
        ) from error
    owners = (
        {each["id"]: each["name"] for each in ours.control.functions.list(app_id=app["id"])} if app else {}
    )
    # What is deployed now replaces what it had by the same name.
    named = {(each.name, trigger.name) for each, trigger in wanted}
    taken = {
        each["source"]: f"trigger {each['name']!r} of function {owners.get(each['fn_id'], '')!r}"
        for each in held
        if (owners.get(each["fn_id"], ""), each["name"]) not in named
    }
    for function, trigger in wanted:
        if trigger.source in taken:
            where = function.where("triggers", function.triggers.index(trigger), "source")
            raise Conflict(
                f"{where}: {trigger.source} is the source of {taken[trigger.source]}",
                hint="give it another source, or delete that trigger first",
                status=409,
            )
        taken[trigger.source] = f"trigger {trigger.name!r} of function {function.name!r}"


def put_trigger(ours: Session, trigger: Trigger, app_id: str, fn_id: str) -> tuple[str, bool]:
    """Make the trigger, or change the one of its name; tells its address, if the server does, and whether it
    is new."""
    collection = ours.control.triggers
    body = {
        "name": trigger.name,
        "type": trigger.type,
        "source": trigger.source,
        "app_id": app_id,
        "fn_id": fn_id,
    }
    there = collection.find(trigger.name, app_id=app_id, fn_id=fn_id)
    if there is None:
        held = collection.create(body)
    elif any(there.get(key) != value for key, value in body.items()):
        collection.update(there["id"], body)
        # The answer to a change has no address.
        held = collection.get(trigger.name, app_id=app_id, fn_id=fn_id)
    else:
        held = there
    return str((held.get("annotations") or {}).get(TRIGGER_ENDPOINT, "")), there is None
