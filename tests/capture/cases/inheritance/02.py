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
