def greet(*, n=CFG["n"]):
    return n
