import abc


class Shape(abc.ABC):
    sides: int = 0

    @property
    @abc.abstractmethod
    def area(self) -> float: ...

    @classmethod
    def make(cls, *args):
        return cls(*args)


class Square(Shape):
    sides = 4

    def __init__(self, a):
        super().__init__()
        self.a = a

    @property
    def area(self):
        return self.a ** 2

    def __eq__(self, other):
        return isinstance(other, Square) and other.a == self.a


def greet(a):
    return Square.make(a).area, Square.sides, Square(a) == Square(a)
