import functools


def power(base, exponent):
    return base ** exponent


greet = functools.partial(power, exponent=3)
