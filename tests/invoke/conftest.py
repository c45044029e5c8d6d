"""Deployed cells for the tests of calls."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.invoke.notebook import Notebook, deployed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def deploy(state: Path) -> Iterator[Callable[..., Notebook]]:
    """``deploy(source, **options)``: a cell that was run and is served, until the test ends."""
    with ExitStack() as stack:
        yield lambda source, **options: stack.enter_context(deployed(state, source, **options))
