def greet():
    return guarded()
