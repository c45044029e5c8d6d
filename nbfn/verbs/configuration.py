"""Configuration of applications and functions, key by key, from Python.

Raises (each function, beside what it says itself):
    ExecutorNotRunning, ExecutorError: the server cannot be reached.
    NotFound, TargetError: there is no such application or function, or the server refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn import session as sessions
from nbfn.errors import BadInput, NotFound
from nbfn.verbs.objects import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.deploy.control import Collection, Object
    from nbfn.session import Session


def list_config(
    app: str, function: str | None = None, *, session: Session | None = None
) -> Mapping[str, str]:
    """What an application, or one of its functions, is configured with."""
    _, held = _find(app, function, session)
    return dict(held.get("config") or {})


def get_config(app: str, key: str, function: str | None = None, *, session: Session | None = None) -> str:
    """One value of the configuration. Raises NotFound if there is no such key; names those that there are."""
    return _value(list_config(app, function, session=session), key, app, function)


def set_config(
    app: str, key: str, value: str, function: str | None = None, *, session: Session | None = None
) -> None:
    """Set a key of the configuration. Raises BadInput for an empty key or value: Fn has none of those."""
    if not key or not value:
        raise BadInput("a key and its value are not empty", hint="`nbfn unset config` removes one")
    collection, held = _find(app, function, session)
    collection.update(held["id"], {"config": {key: value}})


def unset_config(app: str, key: str, function: str | None = None, *, session: Session | None = None) -> None:
    """Remove a key of the configuration. Raises NotFound if there is none."""
    collection, held = _find(app, function, session)
    _value(held.get("config") or {}, key, app, function)
    collection.update(held["id"], {"config": {key: ""}})


def _find(app: str, function: str | None, session: Session | None) -> tuple[Collection, Object]:
    """Where it is kept, and what is kept there."""
    control = (session or sessions.current()).control
    if function is None:
        return control.apps, control.app(app)
    return control.functions, shown(control.function(app, function))


def _value(config: Mapping[str, str], key: str, app: str, function: str | None) -> str:
    if key not in config:
        name = app if function is None else f"{app} {function}"
        hint = f"its keys: {', '.join(sorted(config))}" if config else "it has no configuration"
        raise NotFound(f"{name} has no configuration key {key!r}", hint=hint, status=404)
    return str(config[key])
