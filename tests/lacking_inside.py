"""A test of what no machine has. ``test_lacking.py`` runs it."""

from __future__ import annotations

from tests.lacking import lacking


def test_of_what_no_machine_has() -> None:
    lacking("no machine has it")
