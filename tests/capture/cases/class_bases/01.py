import abc
import enum
from collections import UserDict
from typing import Generic, NamedTuple, TypedDict, TypeVar

T = TypeVar("T")

class Base(abc.ABC):
    kinds = []

    def __init_subclass__(cls, **options):
        super().__init_subclass__()
        Base.kinds.append((cls.__name__, options))

    @abc.abstractmethod
    def run(self, n): ...

class Meta(type):
    def __new__(mcls, name, bases, space):
        return super().__new__(mcls, name, bases, {**space, "made_by": mcls.__name__})

class Mixin:
    def twice(self, n):
        return 2 * n

class Box(Generic[T], UserDict):
    def first(self) -> T:
        return next(iter(self.values()))

class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2

class Row(NamedTuple):
    n: int
    level: Level = Level.LOW

class Options(TypedDict, total=False):
    n: int
