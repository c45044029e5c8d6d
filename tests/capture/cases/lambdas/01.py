square = lambda x: x * x
a = 1; cube = (lambda x:
    x ** 3 + a)
TABLE = {"neg": lambda x: -x, "twice": square, "max": max}
