def counter(start):
    def step():
        nonlocal start
        start += 1
        return start
    return step

tick = counter(5)
