from dataclasses import dataclass
from functools import singledispatch


@dataclass
class Circle:
    r: int


@singledispatch
def area(shape):
    return 0


@area.register
def _(shape: Circle):
    return shape.r ** 2


@area.register(int)
def _(shape):
    return shape


def greet(r):
    return area(Circle(r)), area(r), area("")
