limits = {"rows": 2, "cols": 3}
names = ["a", "b", "from a function"]
total = 3
seen = {1}


def greet():
    return limits, names, total, seen
