"""Threads of ours that send to the front end."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_cell: contextvars.Context | None = None
"""Of the cell that began last, on an ipykernel that needs it."""


def begin_cell(_: object = None) -> None:
    """A hook for ``pre_run_cell``: what threads send from now on belongs to this cell."""
    global _cell
    if _ties_displays_to_cells():
        _cell = contextvars.copy_context()


def in_context(target: Callable[[], T]) -> Callable[[], T]:
    """``target`` so that its displays arrive: ipykernel 7.0 loses those of a thread without a cell's context.

    That is the cell that runs when it is called: nbclient drops what comes for an earlier one. On later
    kernels the same would be such a tie.
    """
    if not _ties_displays_to_cells():
        return target
    made_in = contextvars.copy_context()
    # A copy: two threads cannot be in one context.
    return lambda: (_cell or made_in).copy().run(target)


def _ties_displays_to_cells() -> bool:
    try:
        from ipykernel._version import version_info
    except ImportError:  # a terminal
        return False
    return version_info[:2] == (7, 0)
