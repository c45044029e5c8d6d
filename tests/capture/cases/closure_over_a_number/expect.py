RATE = 2


def double(x):
    return x * RATE


def _make_greet(factor):
    def scaled(x):
        return double(x) * factor

    return scaled


greet = _make_greet(factor=10)
