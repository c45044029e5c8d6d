"""Applications, functions and triggers: every change is kept first, and the very next call sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nbfn.errors import Conflict, NbfnError, NotFound
from nbfn.executor import accept, revisions
from nbfn.executor.fields import text
from nbfn.executor.ids import new_id, timestamp
from nbfn.executor.revision import revision_of
from nbfn.executor.revisions import Revision
from nbfn.executor.ways import Ways

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.executor.events import Events
    from nbfn.executor.images import Images
    from nbfn.executor.objects import App, Document, Fn, Trigger
    from nbfn.executor.pool import Pool
    from nbfn.executor.store import Changed, Store, StoreThread, T
    from nbfn.spec import ColdReason


class Catalog:
    """The control plane's work. Methods raise TargetError (with Fn's message) and StateError.

    The store's thread does one change after another, and the steps after it run in that order on the
    loop: the pool cannot see an older change last.
    """

    def __init__(self, store: StoreThread, pool: Pool, events: Events, images: Images) -> None:
        self._store = store
        self._pool = pool
        self._events = events
        self._images = images
        self._ways = Ways()

    def trigger(self, app_name: str, source: str) -> str:
        """The id of the function behind a trigger. Raises NotFound."""
        return self._ways.find(app_name, source)

    async def load(self) -> None:
        """Tell the pool what was kept from before. Only what is to be ready is started or unpacked for it."""
        apps, fns, ways, call_ids = await self._store.run(
            lambda store: (store.apps(), store.everything(), store.ways(), store.call_ids())
        )
        self._pool.call_ids.update(call_ids)
        for app in apps:
            self._ways.add_app(app.name)
        for way in ways:
            self._ways.add(*way)
        for app, fn, digest, called in fns:
            reason: ColdReason = "executor-restarted" if called else "first-call"
            revision = revision_of(app, fn, digest)
            self._pool.deploy(revision, scale=fn.scale, reason=reason, prepare=False)

    async def read(self, query: Callable[[Store], T]) -> T:
        """What ``query`` reads."""
        return await self._store.run(query)

    async def sweep_images(self) -> None:
        """Let go of images that no function needs."""
        await self._store.run(lambda store: self._images.sweep(store.images()))

    # Applications

    async def create_app(self, document: Document) -> App:
        app = accept.new_app(document, new_id(), timestamp())
        await self._store.run(lambda store: store.add_app(app))
        self._ways.add_app(app.name)
        return app

    async def change_app(self, app_id: str, document: Document) -> App:
        now = timestamp()

        def work(store: Store) -> tuple[App, list[tuple[Fn, str]]]:
            old, new = store.change_app(app_id, lambda old: accept.changed_app(old, document, now))
            changed = new.config != old.config or new.syslog_url != old.syslog_url
            fns = store.fns(app_id) if changed else []
            return new, [(fn, store.revisions(fn.id, limit=1)[0].digest) for fn in fns]

        app, affected = await self._store.run(work)
        for fn, digest in affected:
            self._deployed(app, fn, digest, "function.updated")
        return app

    async def remove_app(self, app_id: str) -> None:
        """Its functions and triggers go with it."""

        def work(store: Store) -> tuple[App, list[Fn]]:
            app, fns = store.app(app_id), store.remove_app(app_id)
            for fn in fns:
                self._images.function_removed(app.name, fn.name)
            return app, fns

        app, fns = await self._store.run(work)
        self._ways.remove_app(app.name)
        for fn in fns:
            self._removed(app, fn)

    # Functions

    async def create_fn(self, document: Document) -> Fn:
        new = accept.new_fn(document, new_id(), timestamp())

        def work(store: Store) -> tuple[App, Fn, str]:
            digest = self._images.digest(new.image)
            return *store.add_fn(new, digest), digest

        app, fn, digest = await self._store.run(work)
        self._deployed(app, fn, digest, "function.created")
        return fn

    async def change_fn(self, fn_id: str, document: Document) -> Fn:
        """An image that is named again is looked up again: its name may mean another one by now."""
        now = timestamp()

        def change(current: Revision) -> Revision:
            fn, digest = accept.changed_fn(current.fn, document, now), current.digest
            if text(document, "image"):
                known = digest if fn.image == current.fn.image else ""
                digest = self._images.digest(fn.image) or known
            if digest != current.digest and fn is current.fn:
                fn = replace(fn, updated_at=now)
            return replace(current, fn=fn, digest=digest, restores=0)

        return (await self._change(fn_id, change)).current.fn

    async def roll_back(self, fn_id: str, number: int) -> list[Revision]:
        """Let a function run again what its revision ``number`` ran; its revisions after that.

        Raises:
            NotFound: there is no such function, or no such revision (any more).
            Conflict: the revision's image cannot be run (any more).
        """
        now = timestamp()
        self.require(fn_id)
        kept = await self._store.run(lambda store: store.revisions(fn_id))
        to = next((each for each in kept if each.number == number), None)
        if to is None:
            numbers = ", ".join(str(each.number) for each in reversed(kept))
            raise NotFound(f"Revision not found: {number} is none of {numbers}", status=404)
        if to is kept[0]:
            return kept
        try:
            await self._pool.prepare(revisions.pinned(to.fn.image, to.digest))
        except NbfnError as error:
            message = f"revision {number} cannot be gone back to: {error}"
            raise Conflict(message, status=409) from error
        await self._change(
            fn_id,
            lambda current: Revision(0, revisions.back_to(to, current.fn, now), to.digest, number),
        )
        return await self._store.run(lambda store: store.revisions(fn_id))

    async def remove_fn(self, fn_id: str) -> None:
        """Its triggers go with it."""

        def work(store: Store) -> tuple[App, Fn]:
            app, fn = store.remove_fn(fn_id)
            self._images.function_removed(app.name, fn.name)
            return app, fn

        self._removed(*await self._store.run(work))

    def require(self, fn_id: str) -> None:
        """Raises NotFound if there is no such function."""
        if self._pool.revision(fn_id) is None:
            raise NotFound("Fn not found", status=404)

    async def _change(self, fn_id: str, change: Callable[[Revision], Revision]) -> Changed:
        changed = await self._store.run(lambda store: store.change_fn(fn_id, change))
        self._changed(changed)
        return changed

    def _changed(self, changed: Changed) -> None:
        if changed.current.fn is not changed.before:
            self._deployed(changed.app, changed.current.fn, changed.current.digest, "function.updated")

    def _deployed(self, app: App, fn: Fn, digest: str, kind: str) -> None:
        self._pool.deploy(revision_of(app, fn, digest), scale=fn.scale)
        self._emit(kind, app, fn)

    def _removed(self, app: App, fn: Fn) -> None:
        self._ways.remove_fn(app, fn.id)
        self._pool.remove(fn.id)
        self._emit("function.deleted", app, fn)

    def _emit(self, kind: str, app: App, fn: Fn) -> None:
        told: dict[str, object] = {"name": fn.name, "app": app.name, "image": fn.image}
        told |= {"memory": fn.memory, "timeout": fn.timeout, "idle_timeout": fn.idle_timeout}
        self._events.emit(kind, fn.id, "", "", told, len(fn.image))

    # Triggers

    async def create_trigger(self, document: Document) -> tuple[App, Trigger]:
        trigger = accept.new_trigger(document, new_id(), timestamp())
        app = await self._store.run(lambda store: store.add_trigger(trigger))
        self._ways.add(app.name, trigger.source, trigger.fn_id)
        return app, trigger

    async def change_trigger(self, trigger_id: str, document: Document) -> tuple[App, Trigger]:
        now = timestamp()
        app, old, new = await self._store.run(
            lambda store: store.change_trigger(
                trigger_id, lambda old: accept.changed_trigger(old, document, now)
            )
        )
        self._ways.remove(app, old)
        self._ways.add(app.name, new.source, new.fn_id)
        return app, new

    async def remove_trigger(self, trigger_id: str) -> None:
        self._ways.remove(*await self._store.run(lambda store: store.remove_trigger(trigger_id)))
