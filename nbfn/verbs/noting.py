"""Around what is done with a function: how that ended is kept, for `nbfn doctor`."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from nbfn import failures
from nbfn import session as sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.failures import What

P = ParamSpec("P")
T = TypeVar("T")


def noting(what: What) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """For a verb that is given ``app``, ``name`` and a ``session``."""

    def around(verb: Callable[P, T]) -> Callable[P, T]:
        signature = inspect.signature(verb)

        @functools.wraps(verb)
        def noted(*args: P.args, **kwargs: P.kwargs) -> T:
            given = signature.bind(*args, **kwargs).arguments
            ours = given.get("session") or sessions.current()
            with failures.noted(ours.settings.state, what, (ours.context.name, given["app"], given["name"])):
                return verb(*args, **kwargs)

        return noted

    return around
