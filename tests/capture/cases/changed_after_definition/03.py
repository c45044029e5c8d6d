def greet(n):
    counter = Counter()
    return counter.next(n), counter.back(n), memo(n), counter.names
