"""A small form that calls a function: arguments as JSON, how many calls at once, what came back.

It is made of ipywidgets, and so lives as long as its kernel; the card beside it shows the calls as they
run, and is what a saved notebook keeps.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from nbfn.function import function
from nbfn.notebook.threads import in_context
from nbfn.notebook.view import example_arguments
from nbfn.remote import Remote

if TYPE_CHECKING:
    from collections.abc import Callable

AT_ONCE_MAX = 16
_SHOWN_CHARACTERS = 2000


def panel(of: Callable[..., Any], /) -> widgets.VBox:
    """A form that calls ``of``: its arguments as JSON, how many calls at once, and what came back.

    A function that is not deployed yet is on its first call. The form lives as long as its kernel.
    """
    return Panel(of if isinstance(of, Remote) else function(of)).widget


class Panel:
    """The form of one function. ``widget`` is what is displayed."""

    def __init__(self, function: Remote[..., Any]) -> None:
        self._function = function
        signature = function.__signature__
        example = example_arguments(signature) if signature is not None else {}
        self.arguments = widgets.Textarea(
            value=json.dumps(example, ensure_ascii=False),
            description="arguments",
            rows=2,
            layout=widgets.Layout(width="100%"),
        )
        self.at_once = widgets.IntSlider(value=1, min=1, max=AT_ONCE_MAX, description="at once")
        self.button = widgets.Button(
            description="Call", tooltip=f"Call {function.spec.name} with these arguments"
        )
        self.answer = widgets.HTML()
        self.button.on_click(self._clicked)
        row = widgets.HBox([self.at_once, self.button])
        self.widget = widgets.VBox([self.arguments, row, self.answer])
        self.widget.add_class("nbfn-panel")

    def _clicked(self, _: object) -> None:
        arguments, complaint = _read(self.arguments.value)
        if complaint:
            self._say(complaint)
            return
        calls = int(self.at_once.value)
        self.button.disabled = True
        self._say("calling …")
        # Not here: a callback may run on the kernel's main thread, which then could do nothing else.
        work = in_context(lambda: self._call(arguments, calls))
        threading.Thread(target=work, name="nbfn-panel", daemon=True).start()

    def _call(self, arguments: dict[str, Any], calls: int) -> None:
        try:
            with ThreadPoolExecutor(calls) as pool:
                answers = list(pool.map(self._one, [arguments] * calls))
            distinct = dict.fromkeys(answers)
            self._say(
                "\n".join(f"{answers.count(each)} times {each}" if calls > 1 else each for each in distinct)
            )
        finally:
            self.button.disabled = False

    def _one(self, arguments: dict[str, Any]) -> str:
        try:
            return repr(self._function.remote(**arguments))
        except Exception as error:  # whatever the function raises is what is to be shown
            return f"{type(error).__name__}: {error}"

    def _say(self, text: str) -> None:
        self.answer.value = f'<pre class="nbfn-answer">{escape(text[:_SHOWN_CHARACTERS])}</pre>'


def _read(text: str) -> tuple[dict[str, Any], str]:
    """Keyword arguments, or what is wrong with the text."""
    try:
        arguments = json.loads(text or "{}")
    except ValueError as error:
        return {}, f"the arguments are not JSON: {error}"
    if not isinstance(arguments, dict):
        return {}, 'write the arguments as an object: {"name": value}'
    return arguments, ""
