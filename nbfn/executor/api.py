"""Fn's control plane: ``/v2/apps``, ``/v2/fns`` and ``/v2/triggers``, as ``fnproject/fn`` answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from nbfn import __version__
from nbfn.errors import TargetError
from nbfn.executor.fields import read_document
from nbfn.executor.paging import page, place
from nbfn.executor.replies import nothing, read_body, reply, route, whole_number

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from nbfn.executor.catalog import Catalog
    from nbfn.executor.objects import Trigger
    from nbfn.executor.store import Store

_PER_PAGE, _PER_PAGE_MAX = 30, 100


class FnApi:
    """Handlers over a catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def routes(self) -> list[Route]:
        return [
            route("/", GET=self.hello),
            route("/version", GET=self.version),
            route("/v2/apps", GET=self.list_apps, POST=self.create_app),
            route("/v2/apps/{app_id}", GET=self.read_app, PUT=self.change_app, DELETE=self.remove_app),
            route("/v2/fns", GET=self.list_fns, POST=self.create_fn),
            route("/v2/fns/{fn_id}", GET=self.read_fn, PUT=self.change_fn, DELETE=self.remove_fn),
            route("/v2/triggers", GET=self.list_triggers, POST=self.create_trigger),
            route(
                "/v2/triggers/{trigger_id}",
                GET=self.read_trigger,
                PUT=self.change_trigger,
                DELETE=self.remove_trigger,
            ),
            route("/v2/fns/{fn_id}/calls", GET=self.gone),
            route("/v2/fns/{fn_id}/calls/{call_id}", GET=self.gone),
            route("/v2/fns/{fn_id}/calls/{call_id}/log", GET=self.gone),
        ]

    async def hello(self, _: Request) -> Response:
        return reply({"goto": "https://github.com/fnproject/fn", "hello": "world!"})

    async def version(self, _: Request) -> Response:
        return reply({"version": __version__})

    async def gone(self, _: Request) -> Response:
        return Response(status_code=410)  # Fn removed these; /nbfn/v1 has them

    # Applications

    async def list_apps(self, request: Request) -> Response:
        paged = _Page(request)
        apps = await self._catalog.read(
            lambda store: store.apps(name=paged.name, after=paged.after, limit=paged.limit)
        )
        return paged.reply([app.document() for app in apps])

    async def create_app(self, request: Request) -> Response:
        app = await self._catalog.create_app(read_document(await read_body(request)))
        return reply(app.document())

    async def read_app(self, request: Request) -> Response:
        app_id = request.path_params["app_id"]
        app = await self._catalog.read(lambda store: store.app(app_id))
        return reply(app.document())

    async def change_app(self, request: Request) -> Response:
        document = read_document(await read_body(request))
        app = await self._catalog.change_app(request.path_params["app_id"], document)
        return reply(app.document())

    async def remove_app(self, request: Request) -> Response:
        await self._catalog.remove_app(request.path_params["app_id"])
        return nothing()

    # Functions

    async def list_fns(self, request: Request) -> Response:
        app_id = request.query_params.get("app_id", "")
        if not app_id:
            raise TargetError("Missing AppID on Fn", status=400)
        paged, host = _Page(request), _host(request)
        fns = await self._catalog.read(
            lambda store: store.fns(app_id, name=paged.name, after=paged.after, limit=paged.limit)
        )
        return paged.reply([fn.document(host) for fn in fns])

    async def create_fn(self, request: Request) -> Response:
        fn = await self._catalog.create_fn(read_document(await read_body(request)))
        return reply(fn.document(_host(request)))

    async def read_fn(self, request: Request) -> Response:
        fn_id = request.path_params["fn_id"]
        fn = await self._catalog.read(lambda store: store.fn(fn_id))
        return reply(fn.document(_host(request)))

    async def change_fn(self, request: Request) -> Response:
        document = read_document(await read_body(request))
        fn = await self._catalog.change_fn(request.path_params["fn_id"], document)
        return reply(fn.document(_host(request)))

    async def remove_fn(self, request: Request) -> Response:
        await self._catalog.remove_fn(request.path_params["fn_id"])
        return nothing()

    # Triggers

    async def list_triggers(self, request: Request) -> Response:
        query, paged, host = request.query_params, _Page(request), _host(request)
        app_id, fn_id = query.get("app_id", ""), query.get("fn_id", "")
        if not app_id:
            raise TargetError("Missing App ID on Trigger", status=400)
        name, _, last_id = paged.after.partition("\0")  # several functions may have a trigger of one name

        def read(store: Store) -> tuple[str, list[Trigger]]:
            found = store.triggers(
                app_id, fn_id=fn_id, name=paged.name, after=(name, last_id), limit=paged.limit
            )
            return store.app(app_id).name if found else "", found

        app_name, triggers = await self._catalog.read(read)
        last = f"{triggers[-1].name}\0{triggers[-1].id}" if triggers else ""
        return paged.reply([trigger.document(app_name, host) for trigger in triggers], last)

    async def create_trigger(self, request: Request) -> Response:
        app, trigger = await self._catalog.create_trigger(read_document(await read_body(request)))
        return reply(trigger.document(app.name, _host(request)))

    async def read_trigger(self, request: Request) -> Response:
        trigger_id = request.path_params["trigger_id"]
        app, trigger = await self._catalog.read(lambda store: store.trigger(trigger_id))
        return reply(trigger.document(app.name, _host(request)))

    async def change_trigger(self, request: Request) -> Response:
        document = read_document(await read_body(request))
        app, trigger = await self._catalog.change_trigger(request.path_params["trigger_id"], document)
        return reply(trigger.document(app.name, _host(request)))

    async def remove_trigger(self, request: Request) -> Response:
        await self._catalog.remove_trigger(request.path_params["trigger_id"])
        return nothing()


class _Page:
    """Fn's paging: by name, the cursor is the last name of the page before."""

    def __init__(self, request: Request) -> None:
        self.name = request.query_params.get("name", "")
        self.limit = whole_number(request, "per_page", _PER_PAGE, _PER_PAGE_MAX)
        self.after = place(request)

    def reply(self, items: list[dict[str, object]], last: str = "") -> Response:
        """A page. ``last`` is where the next one begins, if that is not the name of the last item."""
        return page(items, (last or str(items[-1]["name"])) if len(items) >= self.limit else "")


def _host(request: Request) -> str:
    return request.headers.get("host", "localhost")
