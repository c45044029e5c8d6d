"""A simulation as a picture: a line for each instance, a dot for each call that waited or was refused."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbfn.schedule.simulation import PlayedCall, Span

_COLOURS = {"starting": "#e8a33d", "busy": "#2f9e63", "idle": "#c9d6df", "stopping": "#d9534f"}
_WIDTH, _LEFT, _LINE, _TOP = 860, 90, 16, 26
_LINES_MAX = 200


def draw(spans: Sequence[Span], calls: Sequence[PlayedCall], ended_s: float) -> str:
    """SVG of its own, readable on light and dark ground; what a thing is, its tooltip says."""
    instances = sorted({(span.function, span.instance): None for span in spans}, key=lambda key: key[0])
    places = {key: row for row, key in enumerate(instances[:_LINES_MAX])}
    scale = (_WIDTH - _LEFT - 10) / (ended_s or 1.0)
    height = _TOP + _LINE * (len(places) + 1) + 24

    def x(at_s: float) -> str:
        return f"{_LEFT + at_s * scale:.1f}"

    parts = [_key()]
    for (function, instance), row in places.items():
        middle = _TOP + _LINE * row + 11
        parts.append(f'<text x="4" y="{middle}">{escape(function)} {escape(instance)}</text>')
    for span in spans:
        row = places.get((span.function, span.instance), -1)
        if row < 0:
            continue
        told = f"{span.state} {span.begin_s:.3f} to {span.end_s:.3f} s" + (
            f": {span.why}" if span.why else ""
        )
        parts.append(
            f'<rect x="{x(span.begin_s)}" y="{_TOP + _LINE * row + 2}" height="{_LINE - 4}" '
            f'width="{max(span.took_s * scale, 0.5):.1f}" fill="{_COLOURS[span.state]}">'
            f"<title>{escape(told)}</title></rect>"
        )
    bottom = _TOP + _LINE * len(places) + 9
    parts.append(f'<text x="4" y="{bottom + 3}">calls</text>')
    for call in calls:
        colour = "#d9534f" if call.status != 200 else "#e8a33d" if call.start == "cold" else "#2f9e63"
        told = f"{call.id} of {call.function}: {call.start or 'refused'} {call.reason} {call.message}".strip()
        parts.append(
            f'<circle cx="{x(call.arrived_s)}" cy="{bottom}" r="2.5" fill="{colour}" fill-opacity=".6">'
            f"<title>{escape(told)}</title></circle>"
        )
    for part in range(4):
        at_s, place = ended_s * part / 4, f'y="{height - 6}" text-anchor="middle"'
        parts.append(f'<text x="{x(at_s)}" {place}>{at_s:.3g} s</text>')
    if len(instances) > _LINES_MAX:
        more = len(instances) - _LINES_MAX
        parts.append(f'<text x="{_WIDTH - 200}" y="{height - 6}">{more} more instances</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'font-family="sans-serif" font-size="11" fill="currentColor">{"".join(parts)}</svg>'
    )


def _key() -> str:
    return "".join(
        f'<rect x="{_LEFT + 90 * place}" y="4" width="10" height="10" fill="{colour}"/>'
        f'<text x="{_LEFT + 90 * place + 14}" y="13">{state}</text>'
        for place, (state, colour) in enumerate(_COLOURS.items())
    )
