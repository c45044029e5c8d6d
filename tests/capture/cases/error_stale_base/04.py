def greet():
    return B
