"""What docs/sandbox.md says of misbehaving functions is what the tests show."""

from __future__ import annotations

from tests.misbehave.cases import CASES
from tests.misbehave.table import table, written


def test_the_document_has_the_table_of_the_cases() -> None:
    assert written() == table(), "run python -m tests.misbehave.table"


def test_there_are_enough_of_them_and_each_has_a_name_of_its_own() -> None:
    assert len(CASES) >= 25
    assert len({case.name for case in CASES}) == len(CASES)
