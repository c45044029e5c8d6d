def greet(n):
    return odd(n)
