def greet(a):
    return Square.make(a).area, Square.sides, Square(a) == Square(a)
