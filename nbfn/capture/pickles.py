"""Pickles that name the notebook's classes as ``func.X``, and the way to what cannot be pickled.

Inside func.py's own import the module ``func`` exists already, with every class above the line that
loads: a reference is ``getattr(import_module("func"), "X")``. The same state gives the same bytes in
any kernel: sets are written in sorted order.
"""

from __future__ import annotations

import importlib
import io
import operator
import os
import pickle
import pickletools
import types
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from nbfn.capture.limits import VALUE_MAX_BYTES
from nbfn.capture.live import peel
from nbfn.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROTOCOL = 5
_SET_OPCODES = ("EMPTY_SET", "FROZENSET")
_SET_BYTES = (b"\x8f", b"\x91")
_LEVELS_MAX = 8
_ITEMS_MAX = 10_000


class StandIn:
    """An object that means something else once it is unpickled."""


class _Func(StandIn):
    """Stands for the module ``func`` in a pickle."""

    def __reduce__(self) -> tuple[Callable[[str], types.ModuleType], tuple[str]]:
        return importlib.import_module, ("func",)


class _Environment(StandIn):
    """Stands for ``os.environ`` in a pickle."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, str]]:
        return getattr, (os, "environ")


FUNC = _Func()
_ENVIRONMENT = _Environment()


class Reference(NamedTuple):
    """How a pickle names something that func.py defines: an attribute of ``owner``, or of func.py."""

    name: str
    owner: object = None


class Referrer(Protocol):
    """Says under which name func.py has a class or function of the notebook, or the environment a secret.

    None: it is not the notebook's. Raises when it is, and func.py cannot have it.
    """

    def __call__(self, value: object) -> Reference | None: ...


class TooLarge(Exception):
    """More bytes than a value may have."""


class BoundedFile(io.BytesIO):
    """Takes at most ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._left = limit

    def write(self, data: object) -> int:
        self._left -= memoryview(data).nbytes  # type: ignore[arg-type]
        if self._left < 0:
            raise TooLarge
        return super().write(data)  # type: ignore[arg-type]


class Naming:
    """Both picklers' answer for a single object, and the modules that unpickling will import."""

    def __init__(self, refer: Referrer) -> None:
        self.modules: set[str] = set()
        self._refer = refer

    def reduce(self, value: object) -> Any:
        if isinstance(value, StandIn):
            return NotImplemented
        if isinstance(value, Secret):
            found = self._refer(value)
            assert found is not None
            return operator.getitem, (_ENVIRONMENT, found.name)
        if getattr(type(value), "__nbfn_function__", False) is True:
            value = peel(value)
            found = self._refer(value)
            if found is None:
                raise pickle.PicklingError("a function of nbfn that no name leads to")
            return getattr, (FUNC if found.owner is None else found.owner, found.name)
        if isinstance(value, types.ModuleType):
            self.modules.add(value.__name__)
            return importlib.import_module, (value.__name__,)
        if isinstance(value, (type, types.FunctionType)):
            found = self._refer(value)
            if found is not None:
                return getattr, (FUNC if found.owner is None else found.owner, found.name)
        named = (
            value if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)) else type(value)
        )
        module = getattr(named, "__module__", None)
        if isinstance(module, str):
            self.modules.add(module)
        return NotImplemented


class _Fast(pickle.Pickler):
    def __init__(self, file: io.BytesIO, naming: Naming) -> None:
        super().__init__(file, PROTOCOL)
        self._naming = naming

    def reducer_override(self, value: object) -> Any:
        return self._naming.reduce(value)


_Slow: Any = pickle._Pickler  # noqa: SLF001 - it has no public name


class _Sorted(_Slow):  # type: ignore[misc]
    """The pickler written in Python: the only one that lets the order of a set be chosen."""

    dispatch: ClassVar[dict[type, Any]] = dict(_Slow.dispatch)

    def __init__(self, file: io.BytesIO, naming: Naming) -> None:
        super().__init__(file, PROTOCOL)
        self._naming = naming

    def reducer_override(self, value: object) -> Any:
        return self._naming.reduce(value)

    def _save_set(self, value: set[object] | frozenset[object]) -> None:
        items = sorted(value, key=lambda item: (type(item).__qualname__, repr(item)))
        self.save_reduce(type(value), (items,), obj=value)

    dispatch[set] = _save_set
    dispatch[frozenset] = _save_set


def dumps(value: object, refer: Referrer, limit: int = VALUE_MAX_BYTES) -> tuple[bytes, set[str]]:
    """``value`` pickled, and the modules that loading it imports.

    Raises:
        TooLarge: it takes more than ``limit`` bytes.
        Exception: whatever pickling a part of it raises; :func:`culprit` then says which part.
    """
    naming = Naming(refer)
    file = BoundedFile(limit)
    _Fast(file, naming).dump(value)
    data = file.getvalue()
    # The bytes are looked at before the opcodes are: parsing a large pickle takes long.
    if any(mark in data for mark in _SET_BYTES) and _has_sets(data):
        file = BoundedFile(limit)
        _Sorted(file, naming).dump(value)
        data = file.getvalue()
    return data, naming.modules


def _has_sets(data: bytes) -> bool:
    return any(opcode.name in _SET_OPCODES for opcode, _, _ in pickletools.genops(data))


def culprit(name: str, value: object, refer: Referrer) -> tuple[str, object]:
    """The innermost part of ``value`` that cannot be pickled, as a path: ``model.lock``."""

    def fails(part: object) -> bool:
        if isinstance(part, types.FunctionType) and not part.__closure__:
            return False  # a function that only its text could tell is no obstacle by itself
        try:
            dumps(part, refer)
        except Exception:
            return True
        return False

    path, at = name, value
    seen = {id(value)}
    for _ in range(_LEVELS_MAX):
        for step, part in _parts(at):
            if id(part) not in seen and not isinstance(part, (str, int, float, bytes)) and fails(part):
                seen.add(id(part))
                path, at = path + step, part
                break
        else:
            break
    return path, at


def _parts(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        items = list(value.items())[:_ITEMS_MAX]
        yield from ((f"[{key!r}]", item) for key, item in items)
        yield from ((f" key {key!r}", key) for key, _ in items)
    elif isinstance(value, (list, tuple)):
        yield from ((f"[{at}]", item) for at, item in enumerate(value[:_ITEMS_MAX]))
    elif isinstance(value, (set, frozenset)):
        yield from ((f" element {item!r}", item) for item in list(value)[:_ITEMS_MAX])
    elif isinstance(value, types.FunctionType):
        names = value.__code__.co_freevars
        for name, cell in zip(names, value.__closure__ or (), strict=True):
            try:
                yield f".__closure__[{name!r}]", cell.cell_contents
            except ValueError:  # an empty cell
                continue
    elif isinstance(value, types.MethodType):
        yield ".__self__", value.__self__
    else:
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict):
            yield from ((f".{key}", item) for key, item in attributes.items())
        for cls in type(value).__mro__:
            slots = cls.__dict__.get("__slots__", ())
            for slot in (slots,) if isinstance(slots, str) else slots:
                if hasattr(value, slot):
                    yield f".{slot}", getattr(value, slot)
