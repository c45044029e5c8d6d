square = lambda x: x * x
a = 1
cube = (lambda x:
    x ** 3 + a)
TABLE = {"neg": lambda x: -x, "twice": square, "max": max}


def greet(x):
    return square(x), cube(x), TABLE["neg"](x), TABLE["twice"](x), TABLE["max"](x, 1)
