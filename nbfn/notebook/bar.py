"""The bar of a map that takes long: one display, changed in place."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from IPython.display import display

if TYPE_CHECKING:
    from IPython.display import DisplayHandle

    from nbfn.calls.bars import Standing


class MapBar:
    """Drawn under the cell that waits."""

    def __init__(self) -> None:
        self._handle: DisplayHandle | None = None

    def draw(self, standing: Standing) -> None:
        """Show it instead of what was shown before."""
        told = words(standing)
        data = {"text/plain": told, "text/html": drawn(standing, told)}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def words(standing: Standing) -> str:
    """``square: 40 of 1,000 done, 2 failed, 1.2 s``; a map that nobody waits for any more is ``stopped``."""
    of = f" of {standing.total:,}" if standing.total is not None else ""
    failed = f", {standing.failed:,} failed" if standing.failed else ""
    stopped = not standing.is_waited_for and standing.done != standing.total
    end = ", stopped" if stopped else ""
    return f"{standing.name}: {standing.done:,}{of} done{failed}, {standing.seconds:.1f} s{end}"


def drawn(standing: Standing, told: str) -> str:
    """The bar as HTML, with ``told`` beside it, which is all that a screen reader needs."""
    name = escape(standing.name, quote=True)
    # Without a value the bar says that nobody knows how much is to come.
    known = f' max="{standing.total or 1}" value="{standing.done}"' if standing.total is not None else ""
    bar = f'<progress aria-label="{name}"{known}></progress> ' if known or standing.is_waited_for else ""
    return f'<div class="nbfn-map" role="status">{bar}<span>{escape(told)}</span></div>'
