"""A card that lives: one output that holds a widget, HTML and plain text of the same picture."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import ipywidgets
from IPython.display import display

from nbfn.notebook.render import html
from nbfn.notebook.text import text
from nbfn.notebook.view import view

if TYPE_CHECKING:
    from nbfn.notebook.card import Card
    from nbfn.notebook.watch import Watch
    from nbfn.observe.timeline import FunctionPicture
    from nbfn.spec import Deployment

_VIEW = "application/vnd.jupyter.widget-view+json"


class LiveCard:
    """The card of one deployment. :meth:`draw` may be called on any thread, the rest on the main one."""

    def __init__(self, deployment: Deployment, watch: Watch, curl: str) -> None:
        self.watch = watch
        self._deployment = deployment
        self._curl = curl
        self._lock = threading.RLock()
        self._drawn: FunctionPicture | None = None
        self._published: FunctionPicture | None = None
        self._display_id = uuid.uuid4().hex
        self._widget: ipywidgets.HTML | None = ipywidgets.HTML(layout={"width": "100%"})
        self._widget.add_class("nbfn-live")

    def follow(self, deployment: Deployment, watch: Watch, curl: str) -> None:
        """Go on with another deployment of the same function."""
        with self._lock:
            self._deployment, self.watch, self._curl = deployment, watch, curl

    def show(self) -> None:
        """Display the card where the running cell's output goes."""
        with self._lock:
            display(self._bundle(), raw=True, display_id=self._display_id)

    def draw(self) -> None:
        """Bring the widget up to date; sends nothing if nothing changed."""
        with self._lock:
            picture = self.watch.picture
            if self._widget is not None and picture is not self._drawn:
                self._drawn = picture
                self._widget.value = html(self._card(picture), live=True)

    def publish(self) -> None:
        """Bring widget and output up to date; sends nothing if nothing changed."""
        with self._lock:
            if self._widget is not None and self.watch.picture is not self._published:
                display(self._bundle(), raw=True, display_id=self._display_id, update=True)

    def close(self) -> None:
        """Leave the card as it is, without the widget. Safe to call twice."""
        with self._lock:
            if self._widget is None:
                return
            widget, self._widget = self._widget, None
            display(self._bundle(), raw=True, display_id=self._display_id, update=True)
            for each in (widget, widget.layout, widget.style):
                each.close()

    def _card(self, picture: FunctionPicture) -> Card:
        return view(self._deployment, picture, now=time.time(), curl=self._curl)

    def _bundle(self) -> dict[str, Any]:
        """Widget view, HTML and plain text in one. JupyterLab without the kernel falls back to the HTML."""
        self.draw()
        picture = self._published = self._drawn or self.watch.picture
        card = self._card(picture)
        bundle: dict[str, Any] = {"text/html": html(card), "text/plain": text(card)}
        if self._widget is not None:
            bundle[_VIEW] = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        return bundle
