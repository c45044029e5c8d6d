"""The table of docs/sandbox.md, from the cases: ``python -m tests.misbehave.table`` writes it there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.misbehave.cases import CASES, TIERS, Case

DOCUMENT = Path(__file__).parents[2] / "docs" / "sandbox.md"
BEGIN, END = "<!-- misbehaviours: made from tests/misbehave/cases/ -->", "<!-- /misbehaviours -->"


def table() -> str:
    """Markdown: first what is refused at which tier, then how calls end that cannot go on."""
    kept = ["| a function that | T0 | T1 | T2 | |", "|---|---|---|---|---|"]
    kept += [
        f"| {case.what} | {' | '.join(_held(case, tier) for tier in TIERS)} | {case.note} |"
        for case in CASES
        if case.held is not None
    ]
    ended = ["| a function that | status | message |", "|---|---|---|"]
    ended += [f"| {case.what} | {_status(case)} | {_message(case)} |" for case in CASES if case.held is None]
    return "\n".join([*kept, "", *ended])


def written() -> str:
    """The table as it is in the document."""
    return DOCUMENT.read_text("utf-8").partition(BEGIN)[2].partition(END)[0].strip()


def _held(case: Case, tier: str) -> str:
    assert case.held is not None
    return {"yes": "held", "no": "**not**"}[case.held[TIERS.index(tier)]]


def _status(case: Case) -> str:
    return " or ".join(str(status) if status else "cut off" for status in case.statuses)


def _message(case: Case) -> str:
    """The pattern, as near to words as it gets."""
    assert isinstance(case.says, str)
    plain = re.sub(r"[\^$()]", "", case.says).replace(".*", "…").replace(": |", ":|").strip("|: ")
    return " or ".join(f"`{part.strip(': ')}`" for part in plain.split("|") if part)


if __name__ == "__main__":
    before, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}", "utf-8")
