"""The controls of a dashboard, of ipywidgets: an output of their own, above the picture.

A widget's model goes with its kernel; the picture, which is none, is what a saved notebook keeps.
"""

from __future__ import annotations

import threading
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from nbfn.errors import NbfnError
from nbfn.notebook.dashboard.acts import Acts, Held
from nbfn.notebook.dashboard.form import Form
from nbfn.notebook.text import as_magics
from nbfn.notebook.threads import in_context

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbfn.notebook.dashboard.feed import Feed
    from nbfn.observe.activity import Known
    from nbfn.session import Session

BURST_MAX = 500
_SHOWN_CHARACTERS = 1200
_ANSWERS = 5
_REALLY = "Really undeploy?"


class Controls:
    """Form, burst, limits, buttons and log filter. ``widget`` is what is displayed; close it.

    ``find`` gives the notebook's own function of an id, ``filtered`` is called when the filter changes.
    """

    def __init__(
        self,
        session: Session,
        feed: Feed,
        find: Callable[[str], Held | None],
        filtered: Callable[[str], object],
    ) -> None:
        self._session = session
        self._feed = feed
        self._find = find
        self.acts: Acts | None = None
        self.form = Form(None)
        self.chosen = widgets.Dropdown(description="function", layout=widgets.Layout(width="300px"))
        self.call = _button("Call", "Call the function with these arguments", "primary")
        self.calls = widgets.IntSlider(
            value=50, min=1, max=BURST_MAX, description="burst", tooltip="How many calls a burst makes",
            layout=widgets.Layout(width="320px"), style={"description_width": "initial"},
        )  # fmt: skip
        self.burst = _button("Burst", "Make so many calls with these arguments, up to 32 at once")
        self.cancel = _button("Cancel", "End every call of this function that waits or runs")
        self.memory = _number("memory MB")
        self.timeout = _number("timeout s")
        self.idle = _number("idle s")
        self.limit = _button("Set limits", "Give the function these limits; its next instances have them")
        self.redeploy = _button("Redeploy", "Deploy the function as this notebook has it now")
        self.stop = _button("Stop", "Stop its instances, busy ones after their call; it stays deployed")
        self.undeploy = _button("Undeploy", "Remove the function and stop its instances")
        self.filter = widgets.Text(
            placeholder="only lines with …", description="log", continuous_update=True,
            layout=widgets.Layout(width="320px"), style={"description_width": "initial"},
        )  # fmt: skip
        self.said = widgets.HTML()
        self._say("")
        self._form = widgets.Box()
        self.widget = self._laid_out()
        self._wire(filtered)
        self.refresh()

    def refresh(self) -> None:
        """Offer the functions that there are."""
        there = [each for each in self._feed.activity.functions.values() if not each.deleted]
        options = [(_label(each, there), each.id) for each in sorted(there, key=lambda e: (e.app, e.name))]
        if tuple(options) != tuple(self.chosen.options):
            ids = [fn_id for _, fn_id in options]
            kept = self.chosen.value if self.chosen.value in ids else next(iter(ids), None)
            self.chosen.options = options
            self.chosen.value = kept
        self.chosen.layout.display = "none" if self._feed.activity.scope.fn_id else ""
        self._choose()

    def close(self) -> None:
        """Take them off the page."""
        self.widget.close()

    def _laid_out(self) -> Any:
        wrap = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "4px 10px"}
        # Where the page is narrow they go to the next line together.
        lasting = widgets.Box(
            [self.redeploy, self.stop, self.undeploy],
            layout=widgets.Layout(**wrap, overflow="visible", flex="0 1 auto"),
        )
        rows = (
            [self.chosen, self._form, self.call, self.cancel],
            [self.calls, self.burst, self.filter],
            [self.memory, self.timeout, self.idle, self.limit, lasting],
        )
        made = widgets.VBox(
            [*(widgets.Box(row, layout=widgets.Layout(**wrap)) for row in rows), self.said],
            layout=widgets.Layout(padding="2px 0 0 0", overflow="visible"),
        )
        made.add_class("nbfn-controls")
        return made

    def _wire(self, filtered: Callable[[str], object]) -> None:
        self.chosen.observe(lambda _: self._choose(), "value")
        self.filter.observe(lambda change: filtered(change["new"]), "value")
        self.call.on_click(lambda _: self._do("calling …", self._call, self.call))
        self.burst.on_click(lambda _: self._do("calling …", self._burst, self.burst))
        self.cancel.on_click(lambda _: self._do("cancelling …", self._cancel, self.cancel))
        self.limit.on_click(lambda _: self._do("setting limits …", self._limit, self.limit))
        self.redeploy.on_click(lambda _: self._do("deploying …", self._redeploy, self.redeploy))
        self.stop.on_click(lambda _: self._do("stopping …", lambda acts: acts.stop(), self.stop))
        self.undeploy.on_click(lambda _: self._ask_or_undeploy())

    def _choose(self) -> None:
        known = self._feed.activity.functions.get(self.chosen.value or "")
        if known is None:
            self.acts = None
        elif self.acts is None or self.acts.known.id != known.id:
            function = self._find(known.id)
            self.acts = Acts(self._session, known, function)
            self.form = Form(function.__signature__ if function is not None else None)
            self._form.children = [self.form.widget]
            self.memory.value, self.timeout.value = known.memory_mb, known.timeout_s
            self.idle.value = known.idle_timeout_s
            self.redeploy.disabled = function is None
            self._calm()
        for each in (self.call, self.burst, self.cancel, self.limit, self.stop, self.undeploy):
            each.disabled = self.acts is None

    def _do(self, begun: str, act: Callable[[Acts], str], button: Any) -> None:
        """Do it on a thread: a callback may be on the kernel's main one, which then could do nothing else."""
        acts = self.acts
        if acts is None:
            return
        button.disabled = True
        self._say(begun)

        def work() -> None:
            try:
                self._say(act(acts))
            except NbfnError as error:
                self._say(as_magics(f"{error.message}\n→ {error.hint}" if error.hint else error.message))
            finally:
                button.disabled = False

        threading.Thread(target=in_context(work), name="nbfn-act", daemon=True).start()

    def _call(self, acts: Acts) -> str:
        return acts.call(self.form.arguments())

    def _burst(self, acts: Acts) -> str:
        answers = acts.burst(self.form.arguments(), int(self.calls.value), lambda _: None)
        common = sorted(answers.items(), key=lambda item: -item[1])
        lines = [f"{number} times {answer}" for answer, number in common[:_ANSWERS]]
        more = len(common) - _ANSWERS
        return "\n".join(lines) + (f"\nand {more} other answers" if more > 0 else "")

    def _cancel(self, acts: Acts) -> str:
        return acts.cancel(call.id for call in self._feed.activity.open if call.fn_id == acts.known.id)

    def _limit(self, acts: Acts) -> str:
        return acts.limit(int(self.memory.value), int(self.timeout.value), int(self.idle.value))

    def _redeploy(self, acts: Acts) -> str:
        return acts.redeploy()

    def _ask_or_undeploy(self) -> None:
        """The first click asks, the second does it."""
        if self.undeploy.description != _REALLY:
            self.undeploy.description, self.undeploy.button_style = _REALLY, "danger"
            return
        self._calm()
        self._do("removing …", lambda acts: acts.undeploy(), self.undeploy)

    def _calm(self) -> None:
        self.undeploy.description, self.undeploy.button_style = "Undeploy", ""

    def _say(self, text: str) -> None:
        shown = escape(text[:_SHOWN_CHARACTERS])
        self.said.value = f'<pre class="nbfn-answer" role="status" aria-live="polite">{shown}</pre>'


def _label(known: Known, there: Sequence[Known]) -> str:
    alone = len({each.app for each in there}) < 2
    return known.name if alone else f"{known.app} / {known.name}"


def _button(label: str, tooltip: str, style: str = "") -> Any:
    layout = widgets.Layout(width="auto")
    return widgets.Button(description=label, tooltip=tooltip, button_style=style, layout=layout)


def _number(label: str) -> Any:
    return widgets.BoundedIntText(
        description=label, min=1, max=8192,
        layout=widgets.Layout(width=f"{76 + 9 * len(label)}px"), style={"description_width": "initial"},
    )  # fmt: skip
