def greet(n):
    return rated(n), fact(n), plus(n), deeper(n)
