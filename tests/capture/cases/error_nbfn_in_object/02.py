def greet():
    return known
