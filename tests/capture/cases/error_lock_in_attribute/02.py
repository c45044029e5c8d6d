def greet():
    return model
