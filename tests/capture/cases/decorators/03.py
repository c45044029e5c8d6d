@timed
def greet(n):
    return fib(n), more(n)
