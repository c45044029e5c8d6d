import functools
import time

CALLS = []

def note(name):
    CALLS.append(name)

def timed(f):
    @functools.wraps(f)
    def inner(*args):
        started = time.perf_counter()
        try:
            return f(*args)
        finally:
            assert time.perf_counter() >= started
    return inner

def plain(f):
    note(f.__name__)
    def inner(*args):
        return f(*args) + 1
    return inner
