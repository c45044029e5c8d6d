def rate(x):
    return x * 2


HANDLERS = {"rate": rate}


def greet():
    return sorted(HANDLERS)
