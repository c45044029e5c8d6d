import json as codec
import math
from functools import wraps

TABLE = {"a": 1}
double_names = ["one", "two"]


def _make_double(factor, names, shift):
    def scaled(x, low=0):
        text = """
        stays as it is"""
        return codec.dumps([max(low, x * factor + shift), math.floor(x), names, text, TABLE])

    return scaled


double = _make_double(factor=2, names=double_names, shift=0)


def _make_after_f(k):
    return lambda x: x + k


after_f = _make_after_f(k=1)


def _make_after(f, g):
    def both(x):
        return g(f(x))

    return both


after = _make_after(f=after_f, g=double)


def helper_f(n):
    return n + 1


def _make_helper(f):
    @wraps(f)
    def inner(*args):
        """Says how many."""
        return len(args), f(*args)

    return inner


helper = _make_helper(f=helper_f)


def _make_HANDLERS_lambda(k):
    return lambda x: x + k


HANDLERS_lambda = _make_HANDLERS_lambda(k=2)


def _make_HANDLERS_lambda_2(k):
    return lambda x: x + k


HANDLERS_lambda_2 = _make_HANDLERS_lambda_2(k=3)


HANDLERS = {"two": HANDLERS_lambda, "three": HANDLERS_lambda_2}


def greet(n):
    return double(n), after(n), helper(n), HANDLERS["two"](n), HANDLERS["three"](n), helper.__doc__
