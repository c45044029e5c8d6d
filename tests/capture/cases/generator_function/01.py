STEP = 2

def numbers(n):
    yield from range(0, n, STEP)

def greet(n):
    for number in numbers(n):
        yield number
    yield "done"
