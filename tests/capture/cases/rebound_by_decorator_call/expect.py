import functools


def helper_f(n):
    return n


def _make_helper(f):
    @functools.wraps(f)
    def inner(*args):
        return f(*args) + 1

    return inner


helper = _make_helper(f=helper_f)


def greet(n):
    return helper(n)
