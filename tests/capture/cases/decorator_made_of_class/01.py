import functools
import time
from contextlib import contextmanager

class retry:
    def __init__(self, times):
        self.times = times

    def __call__(self, f):
        @functools.wraps(f)
        def inner(*args):
            for _ in range(self.times):
                try:
                    return f(*args)
                except ValueError:
                    continue
            return None
        return inner

class Counted:
    def __init__(self, f):
        functools.update_wrapper(self, f)
        self.f, self.calls = f, 0

    def __call__(self, *args):
        self.calls += 1
        return self.f(*args), self.calls

# tries often
@retry(times=3)
def parse(text):
    return int(text)

@Counted
def once(n):
    return n

@functools.cache
def slow(n):
    return n * n

@contextmanager
def opened(n):
    yield n
