"""A board as HTML: one ``<section>``, inline SVG, its own ``<style>``, no script and nothing from elsewhere.

It is replaced as a whole when something happens, so it is no live region: a screen reader that were told of
each redraw would read of nothing else. What a person did is answered by the controls, politely.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.notebook.card import STAGES, age, count
from nbfn.notebook.dashboard.figures import over_time, spread
from nbfn.notebook.render import badge, call_row, css, escaped
from nbfn.observe.histogram import roughly

if TYPE_CHECKING:
    from nbfn.notebook.dashboard.board import Board, Entry, Latency, Output, Tile

_DENSE = 8
"""More instances than these are drawn small."""


def html(board: Board) -> str:
    """``board`` as HTML."""
    name = f"Dashboard of {'the executor' if board.kind == 'executor' else f'{board.kind} {board.title}'}"
    parts = [
        f'<section class="nbfn-card nbfn-dash" aria-label="{escaped(name)}" aria-live="off">',
        f"<style>{css('card.css')} {css('dashboard.css')}</style>",
        _head(board),
        _numbers(board),
        _tiles(board),
        over_time(board),
        _entries(board),
        _calls(board),
        _log(board),
        "</section>",
    ]
    return "".join(parts)


def _head(board: Board) -> str:
    gone = "" if board.deployed else '<span class="nbfn-gone">undeployed</span>'
    kind = "" if board.kind == "function" else f'<span class="nbfn-kind">{board.kind}</span>'
    title = "executor" if board.kind == "executor" else board.title
    kind = "" if title == board.kind else kind
    return (
        f'<header class="nbfn-head"><strong class="nbfn-name" role="heading" aria-level="3">{escaped(title)}'
        f'</strong>{kind}{gone}<span class="nbfn-facts">{escaped(" · ".join(board.facts))}</span>'
        f'<span class="nbfn-clock" title="when it looked so">as of {escaped(board.clock)}</span></header>'
    )


def _numbers(board: Board) -> str:
    busy = f"at most {board.peak_instances}" if board.peak_instances else ""
    items = [
        _number("instances", board.instances, busy),
        _number("running", board.running, ""),
        _number("waiting", board.waiting, f"at most {board.peak_waiting}" if board.peak_waiting else ""),
        _number("cold", board.cold, _typical(board.cold_latency), sign="cold"),
        _number("warm", board.warm, _typical(board.warm_latency), sign="warm"),
        _number("failed", board.failed, "", sign="failed" if board.failed else ""),
    ]
    return f'<dl class="nbfn-numbers">{"".join(items)}</dl>'


def _number(words: str, value: int, note: str, *, sign: str = "") -> str:
    told = f'<span class="nbfn-note" title="{escaped(note)}">{escaped(note)}</span>' if note else ""
    kind = f" nbfn-n-{sign}" if sign and value else ""
    return (
        f'<div class="nbfn-number{kind}" data-what="{words}"><dt>{words}</dt><dd>{value:,}</dd>{told}</div>'
    )


def _typical(latency: Latency) -> str:
    return "" if latency.median_ms is None else f"about {roughly(latency.median_ms)}"


def _tiles(board: Board) -> str:
    if not board.tiles:
        words = (
            "no instance is running: the next call is cold" if board.deployed else "no instance is running"
        )
        return f'<p class="nbfn-none">{words}</p>'
    more = f'<li class="nbfn-more">and {board.tiles_hidden} more</li>' if board.tiles_hidden else ""
    dense = len(board.tiles) > _DENSE
    tiles = "".join(_tile(tile, dense=dense) for tile in board.tiles)
    kind = " nbfn-dense" if dense else ""
    return f'<ul class="nbfn-instances nbfn-tiles{kind}" aria-label="Instances">{tiles}{more}</ul>'


def _tile(tile: Tile, *, dense: bool) -> str:
    """One instance; of many, ``dense`` shows state and id, and the rest when pointed at."""
    facts = [count(tile.calls, "call"), f"{age(tile.age_s)} old"]
    if tile.memory_mb:
        of = f" of {tile.limit_mb}" if tile.limit_mb else ""
        digits = 1 if tile.memory_mb < 100 else 0
        facts.append(f"{tile.memory_mb:.{digits}f}{of} MB")
    told = " · ".join(facts)
    title = f"instance {tile.id}" + (f": {tile.function} {tile.state} · {told}" if dense else "")
    name = f'<span class="nbfn-of">{escaped(tile.function)}</span>' if tile.function and not dense else ""
    rest = "" if dense else f'<span class="nbfn-quiet">{told}</span>'
    left = ""
    if tile.idle_s is not None and tile.idle_timeout_s:
        timing = f"animation-duration:{tile.idle_timeout_s}s;animation-delay:-{max(tile.idle_s, 0):.1f}s"
        left = f'<span class="nbfn-left" style="{timing}" aria-hidden="true"></span>'
    return (
        f'<li class="nbfn-instance" data-state="{tile.state}" title="{escaped(title)}">'
        f'<span class="nbfn-tile-head"><span class="nbfn-dot" aria-hidden="true"></span>'
        f"<strong>{tile.state}</strong> {name}<code>{escaped(tile.short)}</code></span>{rest}{left}</li>"
    )


def _calls(board: Board) -> str:
    if not board.rows:
        return ""
    scale_ms = max((sum(ms for _, ms in row.stages_ms) for row in board.rows), default=0.0)
    rows = "".join(call_row(row, scale_ms) for row in board.rows)
    keys = "".join(
        f'<span class="nbfn-key"><i class="nbfn-swatch nbfn-{stage}"></i>{stage}</span>' for stage in STAGES
    )
    columns = "".join(
        f'<col class="nbfn-col-{name}"/>' for name in ("number", "start", "bar", "took", "detail")
    )
    latencies = "".join(
        _latency(start, kind) for start, kind in (("cold", board.cold_latency), ("warm", board.warm_latency))
    )
    return (
        '<div class="nbfn-two"><table class="nbfn-calls" aria-label="Last calls, newest first">'
        f'<colgroup>{columns}</colgroup><thead><tr><th scope="col">#</th><th scope="col">start</th>'
        f'<th scope="col" colspan="3"><span class="nbfn-legend">{keys}</span></th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
        f'<div class="nbfn-latency">{spread(board.cold_latency, board.warm_latency)}{latencies}'
        f"{_reasons(board)}</div></div>"
    )


def _reasons(board: Board) -> str:
    if not board.reasons:
        return ""
    items = "".join(
        f"<li>{escaped(words)} <strong>{number:,}</strong></li>" for words, number in board.reasons
    )
    return f'<div class="nbfn-reasons">cold because<ul>{items}</ul></div>'


def _latency(start: str, latency: Latency) -> str:
    if latency.median_ms is None or latency.slow_ms is None:
        return ""
    return (
        f"<p>{badge(start, start)}<span>half within <strong>{roughly(latency.median_ms)}</strong> · "
        f"95 % <strong>{roughly(latency.slow_ms)}</strong></span></p>"
    )


def _entries(board: Board) -> str:
    if not board.entries:
        return ""
    heads = ("function", "app", "instances", "running", "waiting", "calls", "cold", "failed", "typically")
    head = "".join(f'<th scope="col">{title}</th>' for title in heads)
    body = "".join(map(_entry, board.entries))
    return (
        '<table class="nbfn-entries" aria-label="Functions">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _entry(entry: Entry) -> str:
    numbers = (entry.instances, entry.running, entry.waiting, entry.calls, entry.cold, entry.failed)
    cells = "".join(f'<td class="{"" if number else "nbfn-zero"}">{number:,}</td>' for number in numbers)
    took = "" if entry.median_ms is None else roughly(entry.median_ms)
    gone = "" if entry.deployed else ' <span class="nbfn-gone">undeployed</span>'
    return (
        f'<tr><th scope="row">{escaped(entry.name)}{gone}</th><td>{escaped(entry.app)}</td>'
        f"{cells}<td>{took}</td></tr>"
    )


def _log(board: Board) -> str:
    if not board.log:
        if not board.log_filter:
            return ""
        return f'<p class="nbfn-none">no output with “{escaped(board.log_filter)}”</p>'
    lines = "\n".join(map(_output, board.log))
    what = f"Last output with {board.log_filter}" if board.log_filter else "Last output"
    return f'<pre class="nbfn-log" role="group" aria-label="{escaped(what)}" tabindex="0">{lines}</pre>'


def _output(line: Output) -> str:
    where = f'<span class="nbfn-quiet">{line.clock} {escaped(line.instance):>4}</span> '
    text = escaped(line.text.replace("\n", " "))
    return where + (f'<span class="nbfn-wrong">{text}</span>' if line.stream == "stderr" else text)
