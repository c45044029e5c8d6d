def greet(x):
    return x * rat
