def greet():
    return limits, names, total, seen
