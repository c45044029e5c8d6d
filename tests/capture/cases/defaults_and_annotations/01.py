from typing import Optional, TypeVar
from decimal import Decimal
T = TypeVar("T")
Number = int | float
LIMIT = 10
