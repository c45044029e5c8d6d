"""Instances for the tests of the runtime."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.runtime.instance import Instance, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def start(state: Path) -> Iterator[Callable[..., Instance]]:
    """``start(source, **options)``: an instance of a function, ended with the test."""
    with ExitStack() as stack:
        yield lambda source, **options: stack.enter_context(running(state, source, **options))
