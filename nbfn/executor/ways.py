"""Where HTTP triggers lead, in memory: every request to ``/t/`` asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.errors import NotFound

if TYPE_CHECKING:
    from nbfn.executor.objects import App, Trigger


class Ways:
    """From an application's name and a source to a function's id."""

    def __init__(self) -> None:
        self._apps: dict[str, dict[str, str]] = {}

    def find(self, app_name: str, source: str) -> str:
        """The function's id. Raises NotFound, with Fn's message."""
        sources = self._apps.get(app_name)
        if sources is None:
            raise NotFound("App not found", status=404)
        fn_id = sources.get(source)
        if fn_id is None:
            raise NotFound("Trigger not found", status=404)
        return fn_id

    def add_app(self, name: str) -> None:
        self._apps.setdefault(name, {})

    def remove_app(self, name: str) -> None:
        self._apps.pop(name, None)

    def add(self, app_name: str, source: str, fn_id: str) -> None:
        self._apps.setdefault(app_name, {})[source] = fn_id

    def remove(self, app: App, trigger: Trigger) -> None:
        self._apps.get(app.name, {}).pop(trigger.source, None)

    def remove_fn(self, app: App, fn_id: str) -> None:
        """All that lead to it."""
        sources = self._apps.get(app.name, {})
        for source in [source for source, to in sources.items() if to == fn_id]:
            del sources[source]
