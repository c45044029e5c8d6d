"""Applications and functions: every change is kept first, and the very next call sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.errors import NotFound
from nbfn.executor import objects
from nbfn.executor.ids import new_id, timestamp
from nbfn.executor.revision import revision_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.executor.events import Events
    from nbfn.executor.objects import App, Document, Fn
    from nbfn.executor.pool import Pool
    from nbfn.executor.store import Store, StoreThread, T
    from nbfn.spec import ColdReason


class Catalog:
    """The control plane's work. Methods raise TargetError (with Fn's message) and StateError.

    The store's thread does one change after another, and the steps after it run in that order on the
    loop: the pool cannot see an older change last.
    """

    def __init__(self, store: StoreThread, pool: Pool, events: Events) -> None:
        self._store = store
        self._pool = pool
        self._events = events
        self._triggers: dict[tuple[str, str], str] = {}

    def trigger(self, app_name: str, source: str) -> str:
        """The id of the function behind a trigger. Raises NotFound."""
        fn_id = self._triggers.get((app_name, source))
        if fn_id is None:
            raise NotFound("Trigger not found", status=404)
        return fn_id

    async def load(self) -> None:
        """Tell the pool what was kept from before. Nothing is started or unpacked for it."""
        for app, fn, called in await self._store.run(lambda store: store.everything()):
            reason: ColdReason = "executor-restarted" if called else "first-call"
            self._pool.deploy(revision_of(app, fn), reason=reason, prepare=False)

    async def read(self, query: Callable[[Store], T]) -> T:
        """What ``query`` reads."""
        return await self._store.run(query)

    async def create_app(self, document: Document) -> App:
        app = objects.new_app(document, new_id(), timestamp())
        await self._store.run(lambda store: store.add_app(app))
        return app

    async def change_app(self, app_id: str, document: Document) -> App:
        now = timestamp()

        def work(store: Store) -> tuple[App, App, list[Fn]]:
            old, new = store.change_app(app_id, lambda old: objects.changed_app(old, document, now))
            return old, new, store.fns(app_id) if new.config != old.config else []

        _, app, affected = await self._store.run(work)
        for fn in affected:
            self._deployed(app, fn, "function.updated")
        return app

    async def remove_app(self, app_id: str) -> None:
        """Its functions go with it."""

        def work(store: Store) -> tuple[App, list[Fn]]:
            return store.app(app_id), store.remove_app(app_id)

        app, fns = await self._store.run(work)
        for fn in fns:
            self._removed(app, fn)

    async def create_fn(self, document: Document) -> Fn:
        fn = objects.new_fn(document, new_id(), timestamp())
        app = await self._store.run(lambda store: store.add_fn(fn))
        self._deployed(app, fn, "function.created")
        return fn

    async def change_fn(self, fn_id: str, document: Document) -> Fn:
        now = timestamp()
        app, old, fn = await self._store.run(
            lambda store: store.change_fn(fn_id, lambda old: objects.changed_fn(old, document, now))
        )
        if fn is not old:
            self._deployed(app, fn, "function.updated")
        return fn

    async def remove_fn(self, fn_id: str) -> None:
        app, fn = await self._store.run(lambda store: store.remove_fn(fn_id))
        self._removed(app, fn)

    def require(self, fn_id: str) -> None:
        """Raises NotFound if there is no such function."""
        if self._pool.revision(fn_id) is None:
            raise NotFound("Fn not found", status=404)

    def _deployed(self, app: App, fn: Fn, kind: str) -> None:
        self._pool.deploy(revision_of(app, fn))
        self._emit(kind, app, fn)

    def _removed(self, app: App, fn: Fn) -> None:
        self._pool.remove(fn.id)
        self._emit("function.deleted", app, fn)

    def _emit(self, kind: str, app: App, fn: Fn) -> None:
        self._events.emit(kind, fn.id, "", "", {"name": fn.name, "app": app.name, "image": fn.image})
