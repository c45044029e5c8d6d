def greet():
    return list(lines)
