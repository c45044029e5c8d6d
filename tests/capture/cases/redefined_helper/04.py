def greet():
    return keep(), helper()
