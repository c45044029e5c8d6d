import pickle
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

sys.modules.setdefault("func", sys.modules[__name__])  # the pickles say func.X
_DATA = Path(__file__).parent / "data"


class Base:
    def area(self):
        return 0


@dataclass
class Point:
    x: int
    y: int = 2


origin = pickle.loads((_DATA / "origin.pickle").read_bytes())


class Colour(Enum):
    RED = 1
    BLUE = 2


FAVOURITE = Colour.BLUE


def greet(n):
    return Base().area(), Point(n).y, origin.x, FAVOURITE.name
