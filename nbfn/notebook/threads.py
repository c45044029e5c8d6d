"""Threads of ours that send to the front end."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def in_context(target: Callable[[], None]) -> Callable[[], None]:
    """``target`` so that its displays arrive: ipykernel 7.0 loses those of a thread without a cell's context.

    On later kernels the same would tie them to that one cell, which nbclient then does not await.
    """
    from ipykernel._version import version_info

    if version_info[:2] != (7, 0):
        return target
    context = contextvars.copy_context()
    return lambda: context.run(target)
