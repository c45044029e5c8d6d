RATE = 3


if True:
    # twice, then
    # the rate
    def rated(x):
        """Of one."""
        return f"""{2 * x * RATE}
    as it is"""


def fact(n):
    return n * fact(n - 1) if n else 1


plus = lambda x: x + RATE


def deeper(x):
    return [x for _ in range(2)]


def greet(n):
    return rated(n), fact(n), plus(n), deeper(n)
