HANDLERS = {"rate": rate}

def greet():
    return sorted(HANDLERS)
