def greet(n):
    return down(n), default(), through(n), double(), _make_down
