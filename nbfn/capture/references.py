"""How a value of func.py speaks of the functions and classes inside it."""

from __future__ import annotations

import ast
import builtins
import types
from typing import TYPE_CHECKING

from nbfn.capture import definitions
from nbfn.capture.bindings import Import
from nbfn.capture.definitions import NoSource
from nbfn.capture.imports import public_path
from nbfn.capture.live import is_nbfn, peel
from nbfn.capture.names import uses_of_node
from nbfn.capture.pickles import Reference
from nbfn.secrets import Secret

if TYPE_CHECKING:
    from nbfn.capture.explain import Site
    from nbfn.capture.walk import Walk


class References:
    """Names for what one value holds: in a literal (:meth:`spelled`) and in a pickle (:meth:`refer`).

    What is named is also asked of the walk, and noted in ``needs``.
    """

    def __init__(self, walk: Walk, name: str, root: object, site: Site | None) -> None:
        self.needs: list[tuple[str, bool]] = []
        self.sourceless = False
        """True once something of the notebook was met that func.py cannot name."""
        self._walk, self._live = walk, walk.live
        self._name, self._root, self.site = name, root, site

    def refer(self, value: object) -> Reference | None:
        """How a pickle names a class or function of the notebook; None for others, and if it cannot.

        Raises:
            CaptureError: it is nbfn's own, or a class that was defined again since.
        """
        if isinstance(value, Secret):
            return Reference(self._walk.secrets.variable(value, self._name, self.site))
        self._refuse_nbfn(value)
        if value is self._root or not self._live.is_own(value):
            return None
        outer, _, inner = str(getattr(value, "__qualname__", "")).rpartition(".")
        owner = self._attribute(outer) if outer and "<" not in outer else None
        if owner is not None and getattr(owner, inner, None) is value:
            return Reference(inner, owner)
        name = self._name_of(value)
        if name is None:
            self.sourceless = True
            return None
        self._need(name)
        self._walk.loads.add("func")
        return Reference(name)

    def spelled(self, value: object) -> str | None:
        """An expression for a class, function or library object; None if there is none.

        Raises:
            CaptureError: it is nbfn's own.
        """
        if isinstance(value, Secret):
            self._walk.loads.add("os")
            return self._walk.loaders.secret(self._walk.secrets.variable(value, self._name, self.site))
        value = peel(value)
        self._refuse_nbfn(value)
        live = self._live
        member = self.member(value)
        if member is not None:
            return member
        name = getattr(value, "__name__", None)
        if not isinstance(name, str) or isinstance(value, types.ModuleType):
            return None
        if getattr(builtins, name, None) is value and name not in live:
            return name
        if isinstance(value, (type, types.FunctionType)) and live.is_own(value):
            return self._spelled_own(value)
        found = public_path(value, live.main)
        return self._spelled_path(value, *found) if found else None

    def member(self, value: object) -> str | None:
        """``Scaler.make`` or ``scaler.scale``: a method, by the name of its owner; None if that has none."""
        if isinstance(value, types.MethodType):
            owner: object = value.__self__
            named = isinstance(owner, type) and self._live.is_own(owner)
            holder = self._live.name_of(owner) if named else self._live.holder_of(owner)
            attribute = value.__func__.__name__
            if holder is None or getattr(owner, attribute, None) != value:
                return None
        elif isinstance(value, types.FunctionType) and self._live.is_own(value):
            holder, _, attribute = value.__qualname__.rpartition(".")
            cls = self._live.get(holder) if holder.isidentifier() else None
            if not isinstance(cls, type) or getattr(cls, attribute, None) is not value:
                return None
        else:
            return None
        self._need(holder)
        return f"{holder}.{attribute}"

    def _refuse_nbfn(self, value: object) -> None:
        if is_nbfn(value):
            whole = value is self._root
            raise self._walk.explain.machinery(self._name, self._root, self.site, whole=whole)

    def _spelled_path(self, value: object, module: str, path: str) -> str | None:
        """A member of a library: by the name it has here, through its module, or by a new import line."""
        live = self._live
        if "." not in path and live.get(path) is value:
            self._walk.want(path, self.site)
            return path
        for alias in live.aliases_of(module):
            self._walk.want(alias, self.site)
            return f"{alias}.{path}"
        if isinstance(value, type) and "." not in path and path not in live and not hasattr(builtins, path):
            self._walk.bring(Import(module, path), path)
            return path
        top = module.partition(".")[0]
        if top in live:
            return None
        self._walk.bring(Import(module), top)
        return f"{module}.{path}"

    def _spelled_own(self, value: type | types.FunctionType) -> str | None:
        if self._live.name_of(value) is None and value.__name__ == "<lambda>":
            text = self._lambda(value)
            if text is not None:
                return text
        name = self._name_of(value)
        if name is not None:
            self._need(name)
        return name

    def _lambda(self, function: object) -> str | None:
        """The text of a lambda that fits into an expression."""
        try:
            assert isinstance(function, types.FunctionType)
            found = definitions.of_function(function, self._walk.cells)
        except NoSource:
            return None
        text = ast.get_source_segment(found.text, found.node)
        if text is None or "\n" in text:
            return None
        self.needs += self._walk.follow(uses_of_node(found.node), self._name, found.filename, found.text)
        return text

    def _name_of(self, value: object) -> str | None:
        """The name that leads to a function or class of the notebook, or one that it gets now."""
        name = self._live.name_of(value)
        if name is None:
            self._check_not_stale(value)
            name = self._walk.adopt(value, self._name)
        return name

    def _need(self, name: str) -> None:
        self._walk.want(name, self.site)
        self.needs.append((name, True))

    def _attribute(self, path: str) -> object:
        first, *rest = path.split(".")
        at = self._live.get(first)
        for part in rest:
            at = getattr(at, part, None)
        if at is not None and rest == []:
            self._need(first)
        return at

    def _check_not_stale(self, cls: object) -> None:
        if not isinstance(cls, type) or "<locals>" in cls.__qualname__:
            return
        now = self._live.get(cls.__name__)
        if isinstance(now, type) and now is not cls and self._live.is_own(now):
            made = self._walk.explain.made_in(self._name)
            raise self._walk.explain.refused(
                self._name,
                self._root,
                self.site,
                f"is made of a {cls.__name__} from before {cls.__name__} was defined again",
                f"run {made or 'the cell that makes it'} again",
            )
