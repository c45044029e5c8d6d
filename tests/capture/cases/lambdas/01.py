square = lambda x: x * x
a = 1; cube = (lambda x:
    x ** 3 + a)
two, kept = (lambda x: x + 2), max([lambda x: x + 3], key=id)
TABLE = {"neg": lambda x: -x, "twice": square, "max": max}
