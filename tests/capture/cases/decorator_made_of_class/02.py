def greet(n):
    with opened(n) as m:
        return parse("x"), parse("4"), once(m), slow(m)
