stack = []
same = stack


def first(x):
    return x


also = first


def greet(x):
    stack.append(x)
    return same, also(x), also is first
