square = lambda x: x * x
a = 1
two = lambda x: x + 2
kept = lambda x: x + 3
cube = (lambda x:
    x ** 3 + a)
TABLE = {"neg": lambda x: -x, "twice": square, "max": max}


def greet(x):
    return square(x), cube(x), two(x), kept(x), TABLE["neg"](x), TABLE["twice"](x), TABLE["max"](x, 1)
