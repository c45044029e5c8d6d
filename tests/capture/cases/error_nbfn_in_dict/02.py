def greet():
    return len(known)
