def greet(n):
    return is_even(n), pairs(n)
