"""What the two ends of a call share, and how things of the notebook are called at the other end."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FunctionType

    from nbfn.spec import SourceSpan

FUNC_MODULE = "func"
"""Name of ``func.py`` as a module."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """The notebook as far as a call needs it."""

    namespace: Mapping[str, object] = field(repr=False)
    """Where the function lives: classes that come back are looked up here."""
    names: frozenset[str]
    """What ``func.py`` defines."""
    source: str = field(repr=False, default="")
    """The text of ``func.py``."""
    source_map: tuple[SourceSpan, ...] = field(repr=False, default=())
    foreign: bool = False
    """True for a function that is not captured Python: it knows nothing of nbfn's calls, and takes JSON."""

    def lookup(self, qualname: str) -> object:
        """The class or function of the notebook that is called so, free of decorations of ours.

        Raises:
            LookupError: there is none.
        """
        root, *rest = qualname.split(".")
        found: object = self.namespace[root]
        for name in rest:
            try:
                found = getattr(found, name)
            except AttributeError:
                raise LookupError(qualname) from None
        return found if isinstance(found, type) else inspect.unwrap(found)  # type: ignore[arg-type]

    def is_of_notebook(self, thing: type | FunctionType) -> bool:
        """True if it was defined where the function was, or in a cell."""
        return thing.__module__ in ("__main__", FUNC_MODULE, self.namespace.get("__name__"))
