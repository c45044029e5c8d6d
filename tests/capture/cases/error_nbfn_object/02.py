def greet():
    return limits
