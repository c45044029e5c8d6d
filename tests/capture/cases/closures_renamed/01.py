def make(step, _make_count=1):
    def count(n):
        return [] if n <= 0 else [n, *count(n - step)]
    def default(n=step):
        return n * step
    table = {"count": count}
    def through(n):
        return table["count"](n)
    return count, default, through

down, default, through = make(2)
_make_down = "taken"
double = make(4)[1]
