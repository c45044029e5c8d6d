"""Functions and classes that have no source travel by value, through cloudpickle.

Only their code and what they close over is in the pickle: global names are looked up in func.py, like
those of any other function. Such a pickle loads on this Python minor only.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import cloudpickle

from nbfn.capture.limits import VALUE_MAX_BYTES
from nbfn.capture.pickles import FUNC, PROTOCOL, BoundedFile, Naming, Referrer, StandIn

if TYPE_CHECKING:
    from collections.abc import Callable


class _FuncGlobals(StandIn):
    """Stands for the globals of the module ``func`` in a pickle."""

    def __reduce__(self) -> tuple[Callable[..., dict[str, object]], tuple[object]]:
        return vars, (FUNC,)


class _ByValue(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(
        self, file: BoundedFile, naming: Naming, main: str, code_met: Callable[[types.FunctionType], None]
    ) -> None:
        super().__init__(file, PROTOCOL)
        self._naming, self._main, self._code_met = naming, main, code_met

    def reducer_override(self, value: object) -> object:
        reduced = self._naming.reduce(value)
        if reduced is not NotImplemented:
            return reduced
        reduced = super().reducer_override(value)
        if (
            isinstance(value, types.FunctionType)
            and value.__module__ == self._main
            and isinstance(reduced, tuple)
        ):
            self._code_met(value)
            return _in_func(value, reduced)
        return reduced


def _in_func(function: types.FunctionType, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    """cloudpickle's recipe for a function, with func.py's globals instead of copies of the notebook's."""
    make, (_, _, *rest), (state, slots), *others = reduced
    code = _anonymous(function.__code__, f"<{function.__name__}>")
    return (make, (code, _FuncGlobals(), *rest), (state, {**slots, "__globals__": {}}), *others)


def _anonymous(code: types.CodeType, filename: str) -> types.CodeType:
    """The same code with a file name that is the same in every kernel."""
    constants = tuple(
        _anonymous(constant, filename) if isinstance(constant, types.CodeType) else constant
        for constant in code.co_consts
    )
    return code.replace(co_filename=filename, co_consts=constants)


def dumps(
    value: object,
    refer: Referrer,
    main: str,
    code_met: Callable[[types.FunctionType], None],
    limit: int = VALUE_MAX_BYTES,
) -> tuple[bytes, set[str]]:
    """``value`` pickled by value, and the modules that loading it imports.

    ``code_met`` hears of each function of the notebook whose code goes into the pickle.

    Raises:
        TooLarge: it takes more than ``limit`` bytes.
        Exception: whatever pickling a part of it raises.
    """
    naming = Naming(refer)
    file = BoundedFile(limit)
    _ByValue(file, naming, main, code_met).dump(value)
    return file.getvalue(), naming.modules | {"cloudpickle"}
