def greet(n):
    return [is_even(n), greet(n - 1) if n else None]
