def greet(i):
    return table[i], pairs[(i, i + 1)]
