"""The sandbox on a kernel that lacks what most have: in a machine of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import machine

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.needs("uml")
@pytest.mark.timeout(600)
def test_a_kernel_without_overlayfs(tmp_path: Path) -> None:
    machine.run_tests(("tests/drivers/in_lesser_kernel.py",), tmp_path)
