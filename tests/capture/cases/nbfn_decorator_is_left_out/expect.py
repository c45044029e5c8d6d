import functools


def rate(x):
    return x * 2


@functools.cache
def twice(x):
    return 2 * x


def greet(x):
    local = getattr(rate, "local", rate), getattr(twice, "local", twice)
    return [each(x) for each in local]
