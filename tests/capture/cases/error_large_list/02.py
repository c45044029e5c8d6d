def greet():
    return len(rows)
