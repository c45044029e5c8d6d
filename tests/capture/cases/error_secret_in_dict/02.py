def greet():
    return conf
