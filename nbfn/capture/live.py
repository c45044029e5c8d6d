"""The live namespace, seen through: what a name is bound to, and which name an object has."""

from __future__ import annotations

import ast
import builtins
import keyword
import types
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The kernel puts the first among the builtins, the site module the others; the image has neither.
_KERNEL = {"display", "get_ipython", "__IPYTHON__"}
_NOT_BUILTIN = _KERNEL | {"exit", "quit", "copyright", "credits", "license", "help"}
_MISSING = object()


def peel(value: object) -> object:
    """The function inside an nbfn ``Function``; anything else as it is."""
    while getattr(value, "__nbfn_function__", False) is True:
        value = getattr(value, "__wrapped__", None)
    return value


class Live:
    """A namespace with the target in it under the handler's name."""

    def __init__(self, namespace: Mapping[str, object], handler: str, target: object) -> None:
        self._namespace = namespace
        self._own = {handler: target}
        self.main = str(namespace.get("__name__", "__main__"))

    def __contains__(self, name: str) -> bool:
        return name in self._own or name in self._namespace

    def get(self, name: str, default: object = None) -> object:
        """What ``name`` is bound to, with nbfn's wrapping taken off."""
        if name in self._own:
            return self._own[name]
        return peel(self._namespace[name]) if name in self._namespace else default

    def names(self) -> Iterator[str]:
        """Every name that is bound."""
        yield from self._namespace

    def is_own(self, value: object) -> bool:
        """True for a function or class that the notebook made."""
        return getattr(value, "__module__", None) in (self.main, "__main__")

    def is_builtin(self, name: str) -> bool:
        """True if every Python has ``name``."""
        return hasattr(builtins, name) and name not in _NOT_BUILTIN

    def is_free(self, name: str, value: object) -> bool:
        """True if func.py may bind ``name`` to ``value``: nothing else has it."""
        return self.get(name, value) is value and not (name not in self and hasattr(builtins, name))

    def name_of(self, value: object) -> str | None:
        """The name that a function or class is bound to: its own if that is right, else the first one."""
        own = getattr(value, "__name__", None)
        if isinstance(own, str) and self.get(own, _MISSING) is value:
            return own
        adopted = next((name for name, each in self._own.items() if each is value), None)
        return adopted or self._names.get(id(value))

    def holder_of(self, value: object) -> str | None:
        """The first name that is bound to this very object, whatever it is."""
        names = (*self._own, *sorted(key for key in self._namespace if not key.startswith("_")))
        return next((name for name in names if self.get(name) is value), None)

    def adopt(self, wanted: str, value: object) -> str:
        """Bind an object that has no name to ``wanted``, or to a name like it that is free."""
        name, count = wanted, 1
        while name in self or hasattr(builtins, name) or keyword.iskeyword(name):
            count += 1
            name = f"{wanted}_{count}"
        self._own[name] = value
        return name

    @cached_property
    def _names(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for name in sorted(key for key in self._namespace if not key.startswith("_")):
            value = self.get(name)
            if isinstance(value, (types.FunctionType, type)):
                found.setdefault(id(value), name)
        return found

    def aliases_of(self, module: str) -> list[str]:
        """Names of the notebook that are bound to a module, sorted."""
        return sorted(
            name
            for name, value in self._namespace.items()
            if isinstance(value, types.ModuleType) and value.__name__ == module and not name.startswith("_")
        )


def is_nbfn(value: object) -> bool:
    """True for nbfn itself and for objects of its making: sessions, deployments, settings."""
    if isinstance(value, types.ModuleType):
        module = value.__name__
    elif isinstance(value, (type, types.FunctionType)):
        module = value.__module__ or ""
    else:
        module = type(value).__module__
    return module.partition(".")[0] == "nbfn"


def nbfn_decorators(decorators: list[ast.expr], live: Live) -> list[ast.expr]:
    """Those of ``decorators`` that are nbfn's: they deploy, and do not travel."""
    return [decorator for decorator in decorators if _is_ours(decorator, live)]


def _is_ours(decorator: ast.expr, live: Live) -> bool:
    at = decorator.func if isinstance(decorator, ast.Call) else decorator
    attributes: list[str] = []
    while isinstance(at, ast.Attribute):
        attributes.append(at.attr)
        at = at.value
    if not isinstance(at, ast.Name):
        return False
    if at.id not in live:
        return at.id == "nbfn"
    value = live.get(at.id)
    for attribute in reversed(attributes):
        value = getattr(value, attribute, None)
    return value is not None and is_nbfn(value)
