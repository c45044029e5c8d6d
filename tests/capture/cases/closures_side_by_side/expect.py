import math


def even(n):
    return n == 0 or odd(n - 1)


is_even = even


def odd(n):
    return n != 0 and even(n - 1)


def pairs(n):
    class Pair:
        kinds = (even(n), odd(n), math.floor(n))
    return Pair.kinds


def greet(n):
    return is_even(n), pairs(n)
