from decimal import Decimal
from typing import Optional, TypeVar

LIMIT = 10
Number = int | float
T = TypeVar("T")


class Basket:
    def __init__(self, items=()):
        self.items = list(items)


def greet(n: Number = LIMIT, *, basket: "Basket | None" = None, first: Optional[T] = None) -> Decimal:
    return Decimal(n)
