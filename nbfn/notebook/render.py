"""A card as HTML: one ``<section>``, inline SVG, its own ``<style>``, no script and nothing from elsewhere.

Read as a plain table and lists where a viewer strips styles and SVG (an untrusted notebook, GitHub).
"""

from __future__ import annotations

import functools
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nbfn.notebook import bars
from nbfn.notebook.card import STAGES, age, count, milliseconds
from nbfn.notebook.text import failure, log_lines, no_instance, printable, stages

if TYPE_CHECKING:
    from nbfn.notebook.card import Card, Row, Tile

_BAR_UNITS = 1000.0
_BAR_LEAST = 6.0  # a stage that took any time is seen, however short it was beside a cold start

_SNOWFLAKE = "M8 1v14M2 4.5l12 7M14 4.5l-12 7"
_FLAME = "M8.5 1c.5 3 4 4.5 4 8.5a4.5 4.5 0 0 1-9 0c0-2 1-3.2 2-4.2q.4 1.6 1.2 1.9C6.5 5 7.3 2.8 8.5 1z"


def html(card: Card) -> str:
    """``card`` as HTML. An idle instance shows how long it has left; CSS runs that clock."""
    parts = [
        f'<section class="nbfn-card" aria-label="{escaped(f"Function {card.name}")}">',
        f"<style>{css('card.css')}</style>",
        _head(card),
        f'<div class="nbfn-now">{_instances(card)}{_tally(card)}</div>',
        bars.html(card.preparing) if card.preparing else "",
        _calls(card),
        _log(card),
        _address(card),
        "</section>",
    ]
    return "".join(parts)


@functools.cache
def css(name: str) -> str:
    """A style sheet of this package, in one line."""
    text = Path(__file__).with_name(name).read_text("utf-8")
    return " ".join(re.sub(r"/\*.*?\*/", "", text).split())


def escaped(some: str) -> str:
    """``some`` as text in HTML, without what could not be printed."""
    return escape(printable(some))


def _icon(path: str, *, filled: bool) -> str:
    kind = "nbfn-filled" if filled else "nbfn-lined"
    return f'<svg class="nbfn-icon {kind}" viewBox="0 0 16 16" aria-hidden="true"><path d="{path}"/></svg>'


def badge(start: str, words: str) -> str:
    """``words`` in the colour and with the sign of a cold or a warm call."""
    icon = {"cold": _icon(_SNOWFLAKE, filled=False), "warm": _icon(_FLAME, filled=True)}.get(start, "")
    return f'<span class="nbfn-badge nbfn-{start or "done"}">{icon}{escaped(words)}</span>'


def _head(card: Card) -> str:
    facts = [
        f"app {card.app}",
        f"{card.memory_mb} MB",
        f"timeout {card.timeout_s} s",
        f"image {card.image}",
    ]
    state = "" if card.deployed else '<span class="nbfn-gone">undeployed</span>'
    return (
        f'<header class="nbfn-head"><strong class="nbfn-name">{escaped(card.name)}</strong>{state}'
        f'<span class="nbfn-facts">{escaped(" · ".join(facts))}</span></header>'
    )


def _tally(card: Card) -> str:
    shown = []
    tally: tuple[tuple[Literal["cold", "warm"], int], ...] = (("cold", card.cold), ("warm", card.warm))
    for start, number in tally:
        if not number:
            continue
        typical = card.typical_ms(start)
        note = (
            f'<span class="nbfn-typical" title="median of the calls shown">{milliseconds(typical)}</span>'
            if typical is not None
            else ""
        )
        shown.append(badge(start, f"{number} {start}") + note)
    if card.failed:
        shown.append(f'<span class="nbfn-badge nbfn-failed">{card.failed} failed</span>')
    return f'<span class="nbfn-tally">{"".join(shown)}</span>' if shown else ""


def _instances(card: Card) -> str:
    if not card.tiles:
        return f'<p class="nbfn-none">{no_instance(card)}</p>'
    tiles = "".join(_tile(tile, card.idle_timeout_s) for tile in card.tiles)
    return f'<ul class="nbfn-instances" aria-label="Instances">{tiles}</ul>'


def _tile(tile: Tile, idle_timeout_s: int) -> str:
    left = ""
    if tile.state == "idle" and tile.idle_s is not None:
        timing = f"animation-duration:{idle_timeout_s}s;animation-delay:-{max(tile.idle_s, 0):.1f}s"
        left = f'<span class="nbfn-left" style="{timing}" aria-hidden="true"></span>'
    return (
        f'<li class="nbfn-instance" data-state="{tile.state}" title="instance {escaped(tile.id)}">'
        f'<span class="nbfn-dot" aria-hidden="true"></span><strong>{tile.state}</strong> '
        f'<code>{escaped(tile.short)}</code> <span class="nbfn-quiet">{count(tile.calls, "call")} · '
        f"{age(tile.age_s)} old</span>{left}</li>"
    )


def _calls(card: Card) -> str:
    if not card.rows:
        return ""
    columns = "".join(
        f'<col class="nbfn-col-{name}"/>' for name in ("number", "start", "bar", "took", "detail")
    )
    heads = (
        f'<th scope="col">#</th><th scope="col">start</th><th scope="col" colspan="3">{_legend(card)}</th>'
    )
    rows = "".join(call_row(row, card.scale_ms) for row in card.rows)
    return (
        '<table class="nbfn-calls" aria-label="Last calls, newest first">'
        f"<colgroup>{columns}</colgroup><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _legend(card: Card) -> str:
    seen = {stage for row in card.rows for stage, _ in row.stages_ms}
    items = "".join(
        f'<span class="nbfn-key"><i class="nbfn-swatch nbfn-{stage}"></i>{stage}</span>'
        for stage in STAGES
        if stage in seen
    )
    return f'<span class="nbfn-legend">{items}</span>'


def call_row(row: Row, scale_ms: float) -> str:
    """One row of a table of calls."""
    reason = f'<span class="nbfn-reason">{escaped(row.reason)}</span>' if row.reason else ""
    took = "running" if row.outcome == "running" else ""
    if row.outcome != "running" and row.total_ms is not None:
        took = milliseconds(row.total_ms)
    failed = failure(row)
    wrong = f'<span class="nbfn-wrong">{escaped(failed)}</span>' if failed else ""
    kind = f" nbfn-call-{row.start}" if row.start else ""
    return (
        f'<tr class="nbfn-call{kind}" data-outcome="{row.outcome}">'
        f'<th scope="row" title="call {escaped(row.call_id)}">{row.number}</th>'
        f'<td class="nbfn-start">{badge(row.start, row.start or "done")}{reason}</td>'
        f'<td class="nbfn-bar">{_bar(row, scale_ms)}</td><td class="nbfn-took">{took}</td>'
        f'<td class="nbfn-detail">{wrong or escaped(stages(row))}</td></tr>'
    )


def _bar(row: Row, scale_ms: float) -> str:
    if not row.stages_ms or scale_ms <= 0:
        return ""
    said = ", ".join(f"{stage} {milliseconds(ms)}" for stage, ms in row.stages_ms)
    rects, left = [], 0.0
    for stage, ms in row.stages_ms:
        width = max(ms / scale_ms * _BAR_UNITS, _BAR_LEAST)
        rects.append(f'<rect class="nbfn-{stage}" x="{left:.1f}" y="0" width="{width:.1f}" height="10"/>')
        left += width
    size = max(_BAR_UNITS, left)
    return (
        f'<svg viewBox="0 0 {size:.1f} 10" preserveAspectRatio="none" role="img" aria-label="{said}">'
        f"<title>{said}</title>{''.join(rects)}</svg>"
    )


def _log(card: Card) -> str:
    if not card.log:
        return ""
    lines = escaped("\n".join(log_lines(card)))
    return f'<pre class="nbfn-log" role="group" aria-label="End of the log">{lines}</pre>'


def _address(card: Card) -> str:
    if not card.deployed:
        return ""
    return f'<p class="nbfn-address" aria-label="From a shell"><code>{escaped(card.curl)}</code></p>'
