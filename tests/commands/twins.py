"""The table of each command's twin in docs/fn-cli.md: ``python -m tests.commands.twins`` writes it there."""

from __future__ import annotations

import inspect
from pathlib import Path

import nbfn
from tests.commands.test_stock_grammar import TWINS

DOCUMENT = Path(__file__).parents[2] / "docs" / "fn-cli.md"
BEGIN, END = "<!-- twins: made from tests/commands/twins.py -->", "<!-- /twins -->"


def table() -> str:
    """Markdown, in the order of the commands."""
    lines: dict[str, list[str]] = {}
    for line, name in TWINS.items():
        if name is not None and callable(getattr(nbfn, name, None)):
            lines.setdefault(name, []).append(f"`{line}`")
    rows = [f"| `nbfn.{_call(name)}` | {', '.join(of)} | {_first(name)} |" for name, of in lines.items()]
    return "\n".join(["| Python | command | |", "|---|---|---|", *rows])


def written() -> str:
    """The table as it is in the document."""
    return DOCUMENT.read_text("utf-8").partition(BEGIN)[2].partition(END)[0].strip()


def _call(name: str) -> str:
    """What is given by place, and that there is more."""
    given = list(inspect.signature(getattr(nbfn, name)).parameters.values())
    plain = [each.name for each in given if each.kind is not each.KEYWORD_ONLY and each.name != "session"]
    return f"{name}({', '.join(plain)})"


def _first(name: str) -> str:
    text = inspect.getdoc(getattr(nbfn, name)) or ""
    return (
        " ".join(text.split("\n\n")[0].split()).replace("|", "\\|").replace("``", "`").partition(" Raises")[0]
    )


if __name__ == "__main__":
    before, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}", "utf-8")
