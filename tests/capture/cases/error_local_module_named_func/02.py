def greet():
    return func.x
