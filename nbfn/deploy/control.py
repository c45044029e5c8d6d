"""What a server holds, object by object: applications, functions and triggers, in Fn's own JSON.

A :class:`nbfn.deploy.base.Target` makes a function be there; this is for looking and changing by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from nbfn.deploy.terms import USUAL
from nbfn.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbfn.deploy.rest import Routes
    from nbfn.deploy.terms import Terms

Object = dict[str, Any]
"""One application, function or trigger as the server sends it."""

_NOUNS = {"application": "apps", "function": "functions", "trigger": "triggers"}


@dataclass(frozen=True, slots=True)
class Collection:
    """Objects of one kind. Raises as the routes it goes through: :class:`nbfn.deploy.rest.Rest`, or OCI's."""

    _rest: Routes
    path: str
    what: str
    """``application``, ``function``, ``trigger``: for messages."""

    def list(self, *, limit: int | None = None, **filters: str) -> Sequence[Object]:
        """All of them by name, at most ``limit``."""
        return list(islice(self._rest.items(self.path, **filters), limit))

    def find(self, name: str, **filters: str) -> Object | None:
        """The one of that name, or None."""
        found = self._rest.items(self.path, name=name, **filters)
        return next((item for item in found if item.get("name") == name), None)

    def get(self, name: str, *, within: str = "", **filters: str) -> Object:
        """The one of that name. Raises NotFound, which says ``within`` what it was looked for."""
        found = self.find(name, **filters)
        if found is None:
            place = f" in {within}" if within else ""
            raise NotFound(
                f"{self._rest.where} has no {self.what} {name!r}{place}",
                hint=f"`nbfn list {f'{_NOUNS[self.what]} {within}'.rstrip()}` shows what is there",
                status=404,
            )
        return found

    def create(self, body: Mapping[str, Any], terms: Terms = USUAL) -> Object:
        """Make one; as the server then holds it."""
        return self._rest.post(self.path, body, terms)

    def update(self, object_id: str, body: Mapping[str, Any], terms: Terms = USUAL) -> Object:
        """Change what ``body`` has; an empty value in ``config`` or ``annotations`` deletes the key."""
        return self._rest.put(f"{self.path}/{object_id}", body, terms)

    def delete(self, object_id: str, terms: Terms = USUAL) -> None:
        """Remove it."""
        self._rest.delete(f"{self.path}/{object_id}", terms)


class Control:
    """The objects of one server, through its ``rest``."""

    def __init__(self, rest: Routes) -> None:
        self.where = rest.where
        self.apps = Collection(rest, "/v2/apps", "application")
        self.functions = Collection(rest, "/v2/fns", "function")
        self.triggers = Collection(rest, "/v2/triggers", "trigger")

    def app(self, name: str) -> Object:
        """The application. Raises NotFound."""
        return self.apps.get(name)

    def function(self, app: str, name: str) -> Object:
        """The function of an application. Raises NotFound."""
        return self.functions.get(name, within=app, app_id=self.app(app)["id"])

    def trigger(self, app: str, function: str, name: str) -> Object:
        """The trigger of a function. Raises NotFound."""
        held = self.function(app, function)
        return self.triggers.get(name, within=f"{app} {function}", app_id=held["app_id"], fn_id=held["id"])
