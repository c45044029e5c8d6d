total = 5


def add(n):
    global total, seen
    total += n
    seen = True


def greet(n):
    add(n)
    return total, seen
