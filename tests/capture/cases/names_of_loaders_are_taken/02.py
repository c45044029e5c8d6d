def greet(i):
    return table[i], pairs[(i, i)], pickle, Path, json.date(2026, 1, 1)
