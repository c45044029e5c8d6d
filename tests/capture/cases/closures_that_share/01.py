from functools import partial

def cache():
    seen = {"n": 0}
    big = list(range(2000))
    def put(x):
        seen["n"] += x
        return len(big)
    def get():
        return seen["n"]
    return put, get

put, get = cache()
put(2)
