"""A card that lives: one output, HTML and plain text of the same picture, replaced when the picture changes.

It is an updated display and not a widget on purpose. A widget's model goes with its kernel: of a saved
notebook JupyterLab would show "model not found" and nbconvert nothing, although the HTML is in the output.
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING

from IPython.display import display

from nbfn.notebook.render import html
from nbfn.notebook.text import text
from nbfn.notebook.view import view

if TYPE_CHECKING:
    from nbfn.notebook.watch import Watch
    from nbfn.observe.timeline import FunctionPicture
    from nbfn.spec import Deployment


class LiveCard:
    """The card of one deployment. Safe to use from any thread."""

    def __init__(self, deployment: Deployment, watch: Watch, curl: str) -> None:
        self.watch = watch
        self._deployment = deployment
        self._curl = curl
        self._lock = threading.Lock()
        self._display_id: str | None = None
        self._drawn: FunctionPicture | None = None

    def follow(self, deployment: Deployment, watch: Watch, curl: str) -> None:
        """Go on with another deployment of the same function."""
        with self._lock:
            self._deployment, self.watch, self._curl = deployment, watch, curl

    def show(self, place: str | None = None) -> None:
        """Display the card where the running cell's output goes, or in a display that is there already."""
        with self._lock:
            self._display_id = place or uuid.uuid4().hex
            self._send(update=place is not None)

    def draw(self) -> None:
        """Bring the output up to date; sends nothing if nothing changed, or after :meth:`close`."""
        with self._lock:
            if self._display_id is not None and self.watch.picture is not self._drawn:
                self._send(update=True)

    def close(self) -> None:
        """Leave the card as it is now."""
        self.draw()
        with self._lock:
            self._display_id = None

    def _send(self, *, update: bool) -> None:
        self._drawn = self.watch.picture
        card = view(self._deployment, self._drawn, now=time.time(), curl=self._curl)
        bundle = {"text/html": html(card), "text/plain": text(card)}
        display(bundle, raw=True, display_id=self._display_id, update=update)
