import math
from functools import wraps

TABLE = {"a": 1}

def scaled_by(factor, shift=0):
    import json as codec
    names = ["one", "two"]

    # scales one value
    def scaled(x, low=0):
        text = """
        stays as it is"""
        return codec.dumps([max(low, x * factor + shift), math.floor(x), names, text, TABLE])

    return scaled

def adder(k):
    return lambda x: x + k

def then(f, g):
    def both(x):
        return g(f(x))
    return both

def counted(f):
    @wraps(f)
    def inner(*args):
        """Says how many."""
        return len(args), f(*args)
    return inner

def helper(n):
    return n + 1

helper = counted(helper)
double = scaled_by(2)
after = then(adder(1), double)
HANDLERS = {"two": adder(2), "three": adder(3)}
