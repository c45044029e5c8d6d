def greet():
    x = 1
    import not_there.at_all
    return not_there
