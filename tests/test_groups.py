"""Tests that must take turns do: some versions of pytest and pytest-xdist ignore groups without a word."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("alone")
def test_groups_are_kept_together(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("loadgroup", default=False):
        assert request.node.nodeid.endswith("@alone"), "this pytest-xdist ignores groups with this pytest"
