def parity():
    import math

    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    def both(n):
        class Pair:
            kinds = (even(n), odd(n), math.floor(n))
        return Pair.kinds

    return even, both

even, pairs = parity()
is_even = even
