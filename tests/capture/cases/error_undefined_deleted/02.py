def greet(x):
    return x * table
