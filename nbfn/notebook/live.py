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
from nbfn.observe.timeline import FunctionPicture, fold

if TYPE_CHECKING:
    from nbfn.notebook.card import Card
    from nbfn.spec import Deployment, Event

_VIEW = "application/vnd.jupyter.widget-view+json"


class LiveCard:
    """The card of one deployment. Safe to use from any thread."""

    def __init__(self, deployment: Deployment, curl: str) -> None:
        self.deployment = deployment
        self._curl = curl
        self._picture = FunctionPicture(deployment.fn_id)
        self._news = threading.Condition()
        self._drawing = threading.RLock()
        self._drawn: FunctionPicture | None = None
        self._published: FunctionPicture | None = None
        self._waited_in_vain = False
        self._display_id = uuid.uuid4().hex
        self._widget: ipywidgets.HTML | None = ipywidgets.HTML(layout={"width": "100%"})
        self._widget.add_class("nbfn-live")

    def __call__(self, event: Event) -> bool:
        """Take ``event`` in; True if it changed the picture. Never blocks."""
        with self._news:
            before, self._picture = self._picture, fold(self._picture, event)
            self._news.notify_all()
            return self._picture is not before

    def follow(self, deployment: Deployment) -> None:
        """Go on with another deployment of the same function, of which nothing is known yet."""
        with self._drawing, self._news:
            self.deployment = deployment
            self._picture = FunctionPicture(deployment.fn_id)

    def show(self) -> None:
        """Display the card where the running cell's output goes."""
        with self._drawing:
            display(self._bundle(), raw=True, display_id=self._display_id)

    def draw(self) -> None:
        """Bring the widget up to date; sends nothing if nothing changed."""
        with self._drawing:
            picture = self._picture
            if self._widget is not None and picture is not self._drawn:
                self._drawn = picture
                self._widget.value = html(self._card(picture), live=True)

    def publish(self) -> None:
        """Bring widget and output up to date; sends nothing if nothing changed. Main thread only."""
        with self._drawing:
            if self._widget is not None and self._picture is not self._published:
                display(self._bundle(), raw=True, display_id=self._display_id, update=True)

    def settle(self, call_id: str, deadline: float) -> None:
        """Wait until ``call_id`` is seen to have ended, or until ``deadline`` (on the monotonic clock).

        A target without events is waited for once only.
        """
        with self._news:
            if self._waited_in_vain and not self._picture.seq:
                return
            left_s = max(deadline - time.monotonic(), 0)
            self._waited_in_vain = not self._news.wait_for(lambda: _at_rest(self._picture, call_id), left_s)

    def close(self) -> None:
        """Leave the card as it is, without the widget. Safe to call twice."""
        with self._drawing:
            if self._widget is None:
                return
            widget, self._widget = self._widget, None
            display(self._bundle(), raw=True, display_id=self._display_id, update=True)
            for each in (widget, widget.layout, widget.style):
                each.close()

    def _card(self, picture: FunctionPicture) -> Card:
        return view(self.deployment, picture, now=time.time(), curl=self._curl)

    def _bundle(self) -> dict[str, Any]:
        """Widget view, HTML and plain text in one. JupyterLab without the kernel falls back to the HTML."""
        self.draw()
        picture = self._published = self._drawn if self._drawn is not None else self._picture
        card = self._card(picture)
        bundle: dict[str, Any] = {"text/html": html(card), "text/plain": text(card)}
        if self._widget is not None:
            bundle[_VIEW] = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        return bundle


def _at_rest(picture: FunctionPicture, call_id: str) -> bool:
    """True once the call has ended and the instance that ran it is known to be free again, or gone."""
    call = next((call for call in picture.calls if call.id == call_id), None)
    if call is None or call.ok is None:
        return False
    return all(each.state != "busy" for each in picture.live if each.id == call.instance_id)
