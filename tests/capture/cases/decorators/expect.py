import functools
import time

CALLS = ["more"]


def timed(f):
    @functools.wraps(f)
    def inner(*args):
        started = time.perf_counter()
        try:
            return f(*args)
        finally:
            assert time.perf_counter() >= started
    return inner


@functools.lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def note(name):
    CALLS.append(name)


def plain(f):
    note(f.__name__)
    def inner(*args):
        return f(*args) + 1
    return inner


@timed
@plain
def more(n):
    return n


@timed
def greet(n):
    return fib(n), more(n)
