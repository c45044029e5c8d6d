def greet(n):
    before = get()
    return put(n), get() - before
