def greet():
    return tick()
