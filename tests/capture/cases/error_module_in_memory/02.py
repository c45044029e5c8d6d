def greet():
    return mod
