"""What the line magics show, each as one bundle of HTML or Markdown and plain text. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from nbfn.listing import columns
from nbfn.notebook.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nbfn.deploy.base import DeployedFunction

_HEADS = ("app", "name", "memory", "timeout", "idle", "image", "updated")


def functions(deployed: Iterable[DeployedFunction]) -> dict[str, str]:
    """A table of deployed functions."""
    rows = [
        (
            each.app,
            each.name,
            f"{each.memory_mb} MB",
            f"{each.timeout_s} s",
            f"{each.idle_timeout_s} s",
            _short_image(each.image),
            each.updated_at[:19].replace("T", " "),
        )
        for each in deployed
    ]
    if not rows:
        return {"text/plain": "no functions are deployed"}
    return {"text/html": _html_table(rows), "text/plain": columns([_HEADS, *rows])}


def _short_image(reference: str) -> str:
    repository, _, digest = reference.partition("@sha256:")
    return digest[:12] or repository


def _html_table(rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col" style="text-align:left">{title}</th>' for title in _HEADS)
    body = "".join(
        "<tr>"
        + "".join(f'<td style="text-align:left">{escape(printable(cell))}</td>' for cell in row)
        + "</tr>"
        for row in rows
    )
    return f'<table class="nbfn-list"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
