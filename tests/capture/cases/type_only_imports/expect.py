from __future__ import annotations

from typing import Protocol, TYPE_CHECKING


class Has(Protocol):
    size: int


def greet(n: int, frame: DataFrame | None = None, a: npt.NDArray | None = None, h: Has | None = None) -> list[DataFrame]:
    if TYPE_CHECKING:
        import not_there_at_all
    rows: list[not_known] = [n]
    return rows
