def greet(n=N):
    return n
