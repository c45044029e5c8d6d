rows = [1, 2]
x = "global x"


def greet(n, rows=rows):
    class Local:
        items = [x for x in range(n)]
        first = items[0]
    total = sum(y for y in rows if (z := y) > 0)
    f = lambda rows: [x, rows]
    return Local.first, total, z, f(1)
