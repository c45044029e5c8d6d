def greet(n):
    return double(n), after(n), helper(n), HANDLERS["two"](n), HANDLERS["three"](n), helper.__doc__
