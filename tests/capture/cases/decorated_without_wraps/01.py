def plain(f):
    def inner(*args):
        return f(*args) + 1
    return inner

@plain
def greet(n):
    return n
