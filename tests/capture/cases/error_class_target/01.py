class greet:
    pass
