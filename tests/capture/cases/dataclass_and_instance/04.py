def greet(x):
    return origin.norm(), Point(x, 1), shapes["o"] is not None, sorted(shapes["kinds"])
