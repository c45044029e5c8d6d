def greet(n):
    yield n
