"""What the executor keeps: applications, functions, triggers and revisions, in one SQLite file."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from nbfn.errors import Conflict, NotFound
from nbfn.executor import revisions
from nbfn.executor.fields import refused
from nbfn.executor.objects import App, Fn, Trigger
from nbfn.executor.recordstore import RecordStore
from nbfn.executor.revisions import Revision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")


class Store(RecordStore):
    """The file, open, for one thread. Every method raises StateError, naming the file, if it is unusable."""

    # Applications

    def add_app(self, app: App) -> None:
        """Raises Conflict if the name is taken."""
        with self._transaction() as db:
            if self._rows("SELECT 1 FROM apps WHERE name = ?", app.name):
                raise Conflict("App already exists", status=409)
            db.execute("INSERT INTO apps VALUES (?, ?, ?)", (app.id, app.name, _dump(app)))

    def app(self, app_id: str) -> App:
        """Raises NotFound."""
        for (body,) in self._rows("SELECT body FROM apps WHERE id = ?", app_id):
            return App(**json.loads(body))
        raise NotFound("App not found", status=404)

    def apps(self, *, name: str = "", after: str = "", limit: int = -1) -> list[App]:
        """By name, from the one after ``after``."""
        rows = self._rows(
            "SELECT body FROM apps WHERE name > ?1 AND ?2 IN ('', name) ORDER BY name LIMIT ?3",
            after,
            name,
            limit,
        )
        return [App(**json.loads(body)) for (body,) in rows]

    def change_app(self, app_id: str, change: Callable[[App], App]) -> tuple[App, App]:
        """The application before and after ``change``. Raises NotFound, and what ``change`` does."""
        with self._transaction() as db:
            old = self.app(app_id)
            new = change(old)
            if new is not old:
                db.execute("UPDATE apps SET body = ? WHERE id = ?", (_dump(new), app_id))
        return old, new

    def remove_app(self, app_id: str) -> list[Fn]:
        """Returns the functions that went with it. Raises NotFound."""
        with self._transaction() as db:
            self.app(app_id)
            fns = self.fns(app_id)
            db.execute("DELETE FROM apps WHERE id = ?", (app_id,))
        return fns

    # Functions

    def add_fn(self, fn: Fn, digest: str) -> tuple[App, Fn]:
        """Its application, and the function as it is kept: with the application's shape.

        Raises NotFound without one, Conflict if the name is taken.
        """
        with self._transaction() as db:
            app = self.app(fn.app_id)
            if self._rows("SELECT 1 FROM fns WHERE app_id = ? AND name = ?", fn.app_id, fn.name):
                raise Conflict("Fn with specified name already exists", status=409)
            fn = replace(fn, shape=app.shape)
            db.execute("INSERT INTO fns VALUES (?, ?, ?, ?)", (fn.id, fn.app_id, fn.name, _dump(fn)))
            self._add_revision(Revision(1, fn, digest))
        return app, fn

    def fn(self, fn_id: str) -> Fn:
        """Raises NotFound."""
        for (body,) in self._rows("SELECT body FROM fns WHERE id = ?", fn_id):
            return Fn(**json.loads(body))
        raise NotFound("Fn not found", status=404)

    def fns(self, app_id: str, *, name: str = "", after: str = "", limit: int = -1) -> list[Fn]:
        """Of one application, by name, from the one after ``after``."""
        rows = self._rows(
            "SELECT body FROM fns WHERE app_id = ?1 AND name > ?2 AND ?3 IN ('', name) "
            "ORDER BY name LIMIT ?4",
            app_id,
            after,
            name,
            limit,
        )
        return [Fn(**json.loads(body)) for (body,) in rows]

    def change_fn(self, fn_id: str, change: Callable[[Revision], Revision]) -> Changed:
        """Let the function be what ``change`` makes of its current revision, which may stay as it is.

        Its number is given here: another one if that runs differently. Raises NotFound, and what ``change``
        does.
        """
        with self._transaction() as db:
            old = self.fn(fn_id)
            app = self.app(old.app_id)
            current = replace(self.revisions(fn_id, limit=1)[0], fn=old)
            new = change(current)
            if new.fn is not old:
                db.execute("UPDATE fns SET body = ? WHERE id = ?", (_dump(new.fn), fn_id))
            runs_differently = not revisions.same(current, new.fn, new.digest)
            if runs_differently:
                new = replace(new, number=current.number + 1)
                self._add_revision(new)
        return Changed(app, old, new, runs_differently)

    def remove_fn(self, fn_id: str) -> tuple[App, Fn]:
        """What was removed; its triggers and revisions go with it. Raises NotFound."""
        with self._transaction() as db:
            fn = self.fn(fn_id)
            app = self.app(fn.app_id)
            db.execute("DELETE FROM fns WHERE id = ?", (fn_id,))
        return app, fn

    def everything(self) -> list[tuple[App, Fn, str, bool]]:
        """Each function with its application, its image's digest, and whether it has ever been called."""
        apps = {app.id: app for app in self.apps()}
        rows = self._rows(
            "SELECT body, (SELECT digest FROM revisions WHERE fn_id = fns.id ORDER BY number DESC LIMIT 1), "
            "EXISTS (SELECT 1 FROM calls WHERE calls.fn_id = fns.id) FROM fns ORDER BY id"
        )
        found = [(Fn(**json.loads(body)), digest, bool(called)) for body, digest, called in rows]
        return [(apps[fn.app_id], fn, digest, called) for fn, digest, called in found]

    # Revisions

    def revisions(self, fn_id: str, *, limit: int = -1) -> list[Revision]:
        """Newest first; the first is what runs. Empty if there is no such function."""
        rows = self._rows(
            "SELECT number, body, digest, restores FROM revisions WHERE fn_id = ? "
            "ORDER BY number DESC LIMIT ?",
            fn_id,
            limit,
        )
        return [
            Revision(number, Fn(**json.loads(body)), digest, restores)
            for number, body, digest, restores in rows
        ]

    def images(self) -> list[tuple[str, str]]:
        """Image and digest (empty if unknown) of every revision that is kept of any function."""
        rows = self._rows(
            "SELECT DISTINCT json_extract(body, '$.image') AS image, digest FROM revisions ORDER BY 1, 2"
        )
        return [(str(image), str(digest)) for image, digest in rows]

    def _add_revision(self, new: Revision) -> None:
        fn_id, oldest = new.fn.id, new.number - revisions.KEPT
        self._db.execute(
            "INSERT INTO revisions VALUES (?, ?, ?, ?, ?)",
            (fn_id, new.number, new.digest, new.restores, _dump(new.fn)),
        )
        self._db.execute("DELETE FROM revisions WHERE fn_id = ? AND number <= ?", (fn_id, oldest))

    # Triggers

    def add_trigger(self, trigger: Trigger) -> App:
        """Returns its application. Raises NotFound, TargetError, or Conflict, as Fn does."""
        with self._transaction() as db:
            app = self._check_trigger(trigger)
            db.execute(
                "INSERT INTO triggers VALUES (?, ?, ?, ?, ?, ?)",
                (trigger.id, trigger.app_id, trigger.fn_id, trigger.name, trigger.source, _dump(trigger)),
            )
        return app

    def trigger(self, trigger_id: str) -> tuple[App, Trigger]:
        """With its application. Raises NotFound."""
        for (body,) in self._rows("SELECT body FROM triggers WHERE id = ?", trigger_id):
            trigger = Trigger(**json.loads(body))
            return self.app(trigger.app_id), trigger
        raise NotFound("Trigger not found", status=404)

    def triggers(
        self,
        app_id: str,
        *,
        fn_id: str = "",
        name: str = "",
        after: tuple[str, str] = ("", ""),
        limit: int = -1,
    ) -> list[Trigger]:
        """Of one application, by name, then id, from the one after ``after``."""
        rows = self._rows(
            "SELECT body FROM triggers WHERE app_id = ?1 AND ?2 IN ('', fn_id) AND ?3 IN ('', name) "
            "AND (name, id) > (?4, ?5) ORDER BY name, id LIMIT ?6",
            app_id,
            fn_id,
            name,
            *after,
            limit,
        )
        return [Trigger(**json.loads(body)) for (body,) in rows]

    def change_trigger(
        self, trigger_id: str, change: Callable[[Trigger], Trigger]
    ) -> tuple[App, Trigger, Trigger]:
        """Its application, and the trigger before and after. Raises as :meth:`add_trigger`."""
        with self._transaction() as db:
            app, old = self.trigger(trigger_id)
            new = change(old)
            if new is not old:
                self._check_trigger(new)
                db.execute(
                    "UPDATE triggers SET fn_id = ?, name = ?, source = ?, body = ? WHERE id = ?",
                    (new.fn_id, new.name, new.source, _dump(new), trigger_id),
                )
        return app, old, new

    def remove_trigger(self, trigger_id: str) -> tuple[App, Trigger]:
        """What was removed. Raises NotFound."""
        with self._transaction() as db:
            app, trigger = self.trigger(trigger_id)
            db.execute("DELETE FROM triggers WHERE id = ?", (trigger_id,))
        return app, trigger

    def ways(self) -> list[tuple[str, str, str]]:
        """Every trigger, as the application's name, the source, and the function's id."""
        return self._rows(
            "SELECT apps.name, source, fn_id FROM triggers JOIN apps ON apps.id = triggers.app_id"
        )

    def _check_trigger(self, trigger: Trigger) -> App:
        app = self.app(trigger.app_id)
        if self.fn(trigger.fn_id).app_id != trigger.app_id:
            raise refused("Invalid Fn ID - not owned by specified app")
        of_app = "SELECT 1 FROM triggers WHERE app_id = ? AND id <> ? AND "
        taken = (trigger.app_id, trigger.id)
        if self._rows(of_app + "fn_id = ? AND name = ?", *taken, trigger.fn_id, trigger.name):
            raise Conflict("Trigger already exists", status=409)
        if self._rows(of_app + "source = ?", *taken, trigger.source):
            raise Conflict("Trigger with the same type and source exists on this app", status=409)
        return app


class Changed(NamedTuple):
    """What became of a function."""

    app: App
    before: Fn
    current: Revision
    runs_differently: bool


class StoreThread:
    """A store with the thread that all of its work is done in, one piece after another."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nbfn-store")

    async def run(self, work: Callable[[Store], T]) -> T:
        """What ``work`` gives. Pieces are done in the order in which they were handed in."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._store)

    def close(self) -> None:
        """Finish what was handed in, then close the file."""
        self._thread.shutdown()
        self._store.close()


def _dump(thing: App | Fn | Trigger) -> str:
    return json.dumps(asdict(thing))
