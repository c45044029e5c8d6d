"""What this machine has not got and a test needs."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacking(here: str, in_ci: str = "") -> NoReturn:
    """Skip the test on a person's machine and fail it in CI, where all is there; each with its words."""
    if os.environ.get("CI") == "true":
        pytest.fail(in_ci or f"needed here: {here}", pytrace=False)
    pytest.skip(here)
