import abc
import enum
from collections import UserDict
from typing import Generic, NamedTuple, TypeVar, TypedDict

T = TypeVar("T")


class Options(TypedDict, total=False):
    n: int


class Mixin:
    def twice(self, n):
        return 2 * n


class Base(abc.ABC):
    kinds = []

    def __init_subclass__(cls, **options):
        super().__init_subclass__()
        Base.kinds.append((cls.__name__, options))

    @abc.abstractmethod
    def run(self, n): ...


class Box(Generic[T], UserDict):
    def first(self) -> T:
        return next(iter(self.values()))


class Job(Mixin, Base, kind="quick"):
    def run(self, n):
        return super().twice(n) + Box[int](a=1).first()


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Row(NamedTuple):
    n: int
    level: Level = Level.LOW


class Meta(type):
    def __new__(mcls, name, bases, space):
        return super().__new__(mcls, name, bases, {**space, "made_by": mcls.__name__})


class Made(metaclass=Meta):
    pass


Base.kinds = [("Job", {"kind": "quick"})]


def greet(n: int, options: Options | None = None):
    return Job().run(n), Row(n), Made.made_by, Base.kinds[-1], isinstance(Job(), Base)
