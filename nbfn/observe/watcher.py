"""Whoever shows a person how far things are that take their time."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


class Watcher(Protocol):
    """A notebook, say."""

    def deploying(self, name: str) -> AbstractContextManager[Callable[[str, int, int], None]]:
        """While the function ``name`` is deployed; what it gives is told how far."""
        ...

    def mapping(self, name: str, mapped: Any) -> object:
        """A map of the function ``name`` (:class:`nbfn.calls.mapping.Mapped`) has begun."""
        ...


def watched(
    watcher: Watcher | None, name: str, progress: Callable[[str, int, int], None] | None
) -> AbstractContextManager[Callable[[str, int, int], None] | None]:
    """Around a deployment: what is to be told of it, ``progress`` or else whoever watches."""
    if progress is not None or watcher is None:
        return nullcontext(progress)
    return watcher.deploying(name)
