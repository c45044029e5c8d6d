"""Every live card of a kernel: one for each function.

Events come on the portal's thread and are only folded there. A thread of ours draws what changed, at most ten
times a second: a burst would wedge the page. What changed last is drawn on the main thread before a cell
ends, so that a saved or headless notebook holds the state at the end of its cells.
"""

from __future__ import annotations

import inspect
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.display import display

from nbfn.notebook.live import LiveCard
from nbfn.notebook.text import text
from nbfn.notebook.threads import in_context
from nbfn.notebook.view import curl_line, invoke_line, view
from nbfn.notebook.watch import Watch
from nbfn.observe.timeline import FunctionPicture

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

    from nbfn.remote import Remote
    from nbfn.spec import Deployment

REFRESH_S = 0.1
SETTLE_S = 0.3
"""How long the end of a cell waits for the events of the calls that the cell made."""
REST_S = 0.05
"""The same for calls that others made: in the background, or over plain HTTP."""


@dataclass(slots=True)
class _Shown:
    function: Remote[..., Any]
    card: LiveCard
    last_call: str = ""
    """The last one whose end the card has been waited for to show."""


class Cards:
    """The cards of ``shell``. Each method is called on the main thread."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._has_frontend = getattr(shell, "kernel", None) is not None
        self._shown: dict[tuple[str, str], _Shown] = {}
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._artist: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._shown)

    def show(self, function: Remote[..., Any], place: str | None = None) -> None:
        """Display the card of ``function``; an older one of it stays as it is, without life.

        It takes the display ``place``, if there is one, from what was seen there.
        """
        deployment = function.deployment
        if deployment is None:
            display({"text/plain": repr(function)}, raw=True)
        elif not self._has_frontend:
            picture = FunctionPicture(deployment.fn_id)
            display({"text/plain": text(view(deployment, picture, now=time.time()))}, raw=True)
        else:
            self._show(function, deployment, place)

    def after_cell(self, result: ExecutionResult) -> None:
        """A hook for ``post_run_cell``: every card whose function did something shows how it ended."""
        deadline = time.monotonic() + SETTLE_S
        failed = getattr(result.error_in_exec, "call_id", "")
        for shown in self._shown.values():
            self._follow(shown)
            last = shown.function.last.call_id if shown.function.last else ""
            for call_id in {last, failed} - {"", shown.last_call}:
                shown.card.watch.wait_for_end(call_id, deadline)
            shown.last_call = last
            shown.card.watch.wait_for_rest(min(deadline, time.monotonic() + REST_S))
            shown.card.draw()

    def close(self, *, freeze: bool = True) -> None:
        """End every card; with ``freeze`` each shows what was seen last."""
        self._ended.set()
        self._changed.set()
        if self._artist is not None:
            self._artist.join()
            self._artist = None
        for shown in self._shown.values():
            shown.card.watch.close()
            if freeze:
                shown.card.close()
        self._shown = {}

    def _show(self, function: Remote[..., Any], deployment: Deployment, place: str | None) -> None:
        key = (deployment.spec.app, deployment.spec.name)
        older = self._shown.get(key)
        watch = self._watch(function, deployment, older.card.watch if older else None)
        if older is not None:
            older.card.close()
        card = LiveCard(deployment, watch, _curl(function, deployment))
        # The thread that draws may be looking at the old dictionary: it is replaced, not changed.
        self._shown = {**self._shown, key: _Shown(function, card)}
        card.show(place)
        self._start()

    def _watch(self, function: Remote[..., Any], deployment: Deployment, older: Watch | None) -> Watch:
        """The watch over a deployment: what another one has seen of the same function is not forgotten."""
        if older is not None and older.fn_id == deployment.fn_id and older.open:
            return older
        if older is not None:
            older.close()
        return Watch(function, deployment.fn_id, self._changed.set)

    def _follow(self, shown: _Shown) -> None:
        """Go on with the new deployment of a function that was removed, and deployed again by a call."""
        deployment, watch = shown.function.deployment, shown.card.watch
        if deployment is not None and deployment.fn_id != watch.fn_id:
            watch = self._watch(shown.function, deployment, watch)
            shown.card.follow(deployment, watch, _curl(shown.function, deployment))

    def _start(self) -> None:
        if self._artist is None:
            self._ended.clear()
            draw = in_context(self._draw_all)
            self._artist = threading.Thread(target=self._draw, args=[draw], name="nbfn-cards", daemon=True)
            self._artist.start()

    def _draw(self, draw: Callable[[], None]) -> None:
        while not self._ended.is_set():
            self._changed.wait()
            self._changed.clear()
            draw()
            self._ended.wait(REFRESH_S)

    def _draw_all(self) -> None:
        for shown in tuple(self._shown.values()):
            shown.card.draw()


def _curl(function: Remote[..., Any], deployment: Deployment) -> str:
    signature = function.__signature__ or inspect.Signature()
    if not function.session.server.own:  # no token of this machine's opens another server
        return invoke_line(deployment, signature)
    return curl_line(deployment.url, function.session.settings.token_file, signature)
