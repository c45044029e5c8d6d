"""A card as plain text: for terminals, headless runs and readers without HTML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nbfn.notebook import bars
from nbfn.notebook.card import age, count, milliseconds

if TYPE_CHECKING:
    from nbfn.notebook.card import Card, Row, Tile

LOG_LINES = 10

# Escape sequences and other controls would run in the reader's terminal, and halves of characters cannot be
# sent at all: only tabs and newlines stay.
_CONTROLS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

# `serve` would never end there, so it stays the terminal's.
_COMMANDS = re.compile(r"`nbfn (?!serve\b)")


def text(card: Card) -> str:
    """``card`` in a few aligned lines."""
    lines = [_headline(card), f"  {card.url}" if card.deployed else "  undeployed"]
    lines += [f"  {_tile(tile)}" for tile in card.tiles]
    if card.preparing is not None:
        lines.append(f"  {bars.text(card.preparing)}")
    if not card.tiles:
        lines.append(f"  {no_instance(card)}")
    if card.rows:
        tally = f"{card.cold} cold, {card.warm} warm" + (f", {card.failed} failed" if card.failed else "")
        lines.append(f"  calls: {tally}")
        lines += [call_line(row) for row in card.rows]
    if card.log:
        lines.append("  log:")
        lines += [f"    {line}" for line in log_lines(card)]
    return printable("\n".join(lines))


def as_magics(some: str) -> str:
    """``some`` with the commands that it names as a notebook has them: ``%fn list apps``."""
    return _COMMANDS.sub("`%fn ", some)


def printable(some: str) -> str:
    """``some`` without escape sequences, control characters and what is no character."""
    return _CONTROLS.sub("", some.replace("\r\n", "\n"))


def log_lines(card: Card) -> list[str]:
    """The last lines that the function wrote."""
    written = printable("".join(piece.text for piece in card.log))
    return written.rstrip("\n").split("\n")[-LOG_LINES:]


def stages(row: Row) -> str:
    """``start 38.0 · import 1.2 · run 2.1``, in ms, without what is lost in the rounding of the others."""
    least = 0.01 * sum(ms for _, ms in row.stages_ms)
    return " · ".join(f"{stage} {_digits(ms)}" for stage, ms in row.stages_ms if ms >= least)


def _digits(ms: float) -> str:
    return f"{ms:.2f}" if ms < 1 else f"{ms:.1f}" if ms < 100 else f"{ms:.0f}"


def no_instance(card: Card) -> str:
    """What it means that no instance is running."""
    if not card.deployed:
        return "no instance is running"
    return (
        "no instance is running: the next call is cold"
        if card.rows
        else "not called yet: the first call is cold"
    )


def _headline(card: Card) -> str:
    facts = [
        card.name,
        f"app {card.app}",
        f"{card.memory_mb} MB",
        f"timeout {card.timeout_s} s",
        f"image {card.image}",
    ]
    return " · ".join(facts)


def _tile(tile: Tile) -> str:
    return f"instance {tile.short}: {tile.state}, {count(tile.calls, 'call')}, {age(tile.age_s)} old"


def call_line(row: Row) -> str:
    """One call in one aligned line."""
    start = row.start or "done"
    took = "…" if row.outcome == "running" else ""
    if row.outcome != "running" and row.total_ms is not None:
        took = milliseconds(row.total_ms)
    notes = "  ".join(filter(None, [stages(row), f"({row.reason})" if row.reason else "", failure(row)]))
    return f"  {row.number:>5}  {start:<4}  {took:>9}  {notes}".rstrip()


def failure(row: Row) -> str:
    """What went wrong, in one short line; empty if nothing did."""
    if row.outcome != "failed":
        return ""
    said = " ".join(printable(row.message).split())
    return f"failed: {said[:160]}" if said else "failed"
