def greet():
    return p.x
