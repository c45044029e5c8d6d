"""What the lists that nbfn gives have in common: they are sequences, and read as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self, TypeVar, overload

T = TypeVar("T")


class Listing(Sequence[T]):
    """Items that stay as they are. A slice is of the same kind; equal ones hold equal items."""

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._items = tuple(items)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> T | Self:
        return type(self)(self._items[index]) if isinstance(index, slice) else self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    # Python then gives it no hash, as lists have none.
    def __eq__(self, other: object) -> bool:
        return self._items == other._items if isinstance(other, type(self)) else NotImplemented

    def __repr__(self) -> str:
        return str(self)


def columns(rows: Iterable[Sequence[str]]) -> str:
    """Rows as text, each column as wide as its widest cell."""
    found = list(rows)
    widths = [max(map(len, cells)) for cells in zip(*found, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in found
    )
