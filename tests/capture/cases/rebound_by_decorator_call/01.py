import functools

def timed(f):
    @functools.wraps(f)
    def inner(*args):
        return f(*args) + 1
    return inner

def helper(n):
    return n

helper = timed(helper)
