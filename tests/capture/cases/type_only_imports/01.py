from __future__ import annotations
from typing import TYPE_CHECKING, Protocol
if TYPE_CHECKING:
    from pandas import DataFrame
    import numpy.typing as npt

class Has(Protocol):
    size: int
