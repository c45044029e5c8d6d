"""Cgroups of version 2 where all controllers are theirs: in a machine of its own, whatever this one has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import machine

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.needs("uml"), pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    "chosen",
    [
        ("tests/drivers/test_cgroups.py", "tests/drivers/in_unified.py", "-k", "not misbehaviours"),
        ("tests/drivers/in_unified.py", "-k", "misbehaviours and root"),
        ("tests/drivers/in_unified.py", "-k", "misbehaviours and user"),
    ],
    ids=["groups", "misbehaviours-as-root", "misbehaviours-as-a-user"],
)
def test_groups_of_version_2(tmp_path: Path, chosen: tuple[str, ...]) -> None:
    machine.run_tests(chosen, tmp_path)
