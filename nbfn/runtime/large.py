"""Large values without copies: what pickle would write into its stream goes beside it, as arrays do.

Used on both sides, where a pickle is made.
"""

from __future__ import annotations

import copyreg
import sys
from pickle import PickleBuffer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LARGE_BYTES = 64 * 1024


class _Aside:
    """Stands for ``bytes`` or a ``bytearray`` in what is pickled; what comes out is that again."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = data

    def __reduce__(self) -> tuple[type, tuple[PickleBuffer]]:
        return type(self._data), (PickleBuffer(self._data),)


def lightened(value: Any) -> Any:
    """``value`` to be pickled: large bytes that it is, or holds at its first level, go beside the pickle."""
    kind = type(value)
    if kind not in (tuple, list, dict):
        return _Aside(value) if _is_large(value) else value
    items = value.values() if kind is dict else value
    found = {id(item): _Aside(item) for item in items if _is_large(item)}
    if not found:
        return value
    if kind is dict:
        return {key: found.get(id(item), item) for key, item in value.items()}
    return kind(found.get(id(item), item) for item in value)


def _is_large(value: Any) -> bool:
    return type(value) in (bytes, bytearray) and len(value) >= LARGE_BYTES


def reducers() -> dict[type, Callable[[Any], Any]]:
    """The dispatch table of a pickler: how libraries that are loaded here are pickled without copies."""
    table = copyreg.dispatch_table.copy()
    if "numpy" in sys.modules:
        table[sys.modules["numpy"].ndarray] = _reduced_array
    if "PIL.Image" in sys.modules:
        table[sys.modules["PIL.Image"].Image] = _reduced_image
    return table


def _reduced_array(array: Any) -> Any:
    if not array.flags.forc and not array.dtype.hasobject:  # gaps are left out by a copy, not by the stream
        array = array.copy()
    return array.__reduce_ex__(5)


def _reduced_image(image: Any) -> Any:
    *state, pixels = image.__getstate__()
    if type(pixels) is not bytes:  # of a version that does it in another way
        return image.__reduce_ex__(5)
    return copyreg.__newobj__, (type(image),), [*state, PickleBuffer(pixels)]  # type: ignore[attr-defined]
