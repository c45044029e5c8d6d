def greet(n):
    return helper(n)
