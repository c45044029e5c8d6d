"""Drivers are asynchronous; their tests run on asyncio unless a class says otherwise."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> object:
    return "asyncio"
