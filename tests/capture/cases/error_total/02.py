def greet():
    return a, b, c
