def back(self, n):
    return n - self.step


class Counter:
    step = 1
    names = ["a"]

    def next(self, n):
        return n + self.step


Counter.step = 5
Counter.back = back


def memo(n):
    memo.seen[n] = True
    return memo.seen


memo.seen = {0: False}


def greet(n):
    counter = Counter()
    return counter.next(n), counter.back(n), memo(n), counter.names
