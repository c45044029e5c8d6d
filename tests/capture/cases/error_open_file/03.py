def greet():
    return helper()
