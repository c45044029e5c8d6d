from enum import Enum
from typing import NamedTuple, TypedDict
from collections import namedtuple

class Color(Enum):
    RED = 1
    BLUE = 2

class Pair(NamedTuple):
    left: int
    right: int = 0

class Options(TypedDict, total=False):
    width: int

class Nothing(Exception):
    pass

Size = namedtuple("Size", "w h")
Area = namedtuple("Surface", "w h")
Mode = Enum("Mode", ["FAST", "SLOW"])
default = Color.BLUE
