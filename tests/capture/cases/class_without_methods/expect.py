from collections import namedtuple
from enum import Enum
from typing import NamedTuple, TypedDict

Size = namedtuple("Size", "w h")
Area = namedtuple("Surface", "w h")
Mode = Enum("Mode", ["FAST", "SLOW"])


class Nothing(Exception):
    pass


class Color(Enum):
    RED = 1
    BLUE = 2


default = Color.BLUE


class Pair(NamedTuple):
    left: int
    right: int = 0


class Options(TypedDict, total=False):
    width: int


def greet(w):
    try:
        raise Nothing(w)
    except Nothing as error:
        options: Options = {"width": w}
        return Color.RED, default, Pair(error.args[0]), Size(1, 2), Area(1, 2), Mode.FAST, Options(width=2) == options
